//! Handlers by themselves.

use lambwire_mio::lambwire::limits::PAYLOAD_BYTES;
use lambwire_mio::lambwire::{Context, Prelude, RequestKind, SendError};
use lambwire_mio::{Failure, Response};
use lambwire_testing::{DEADLINE_MS, Error, Event, FUNCTION_ARN, Invocation, RecordedRequest};

fn call<'e>(
    invocation: &'e Invocation,
    handler: impl FnOnce(&'e [u8], &Context<'e>) -> Result<Response<'e>, Failure>,
) -> RecordedRequest {
    invocation.call(handler).unwrap()
}

fn limit() -> usize {
    usize::try_from(PAYLOAD_BYTES).unwrap()
}

#[test]
fn a_handler_gets_all_that_comes_with_an_event() {
    let event = Event::new("{}")
        .request_id("id")
        .invocation_id("nonce")
        .deadline_ms(1_600_000_000_000)
        .function_arn("arn")
        .trace_id("Root=1")
        .client_context("{\"custom\":{}}")
        .cognito_identity("{\"cognitoIdentityId\":\"i\"}")
        .tenant_id("blue");
    let invocation = Invocation::new(event).unwrap();
    let answer = call(&invocation, |event, context| {
        assert_eq!((event, context.request_id.as_str()), (&b"{}"[..], "id"));
        assert_eq!((context.deadline_ms, context.invoked_function_arn), (Some(1_600_000_000_000), Some("arn")));
        assert_eq!((context.trace_id, context.tenant_id), (Some("Root=1"), Some("blue")));
        assert_eq!(context.client_context_json, Some("{\"custom\":{}}"));
        assert_eq!(context.cognito_identity_json, Some("{\"cognitoIdentityId\":\"i\"}"));
        Ok(Response::new("a/b", &b"done"[..]))
    });
    assert_eq!((answer.kind, &*answer.text()), (RequestKind::Response, "done"));
    assert_eq!((answer.request_id.as_deref(), answer.invocation_id.as_deref()), (Some("id"), Some("nonce")));
    assert_eq!(answer.header("content-type"), Some(&b"a/b"[..]));
    assert!(!answer.is_error() && !answer.is_streamed);
}

#[test]
fn an_event_alone_comes_with_an_id_an_arn_and_a_deadline() {
    let [one, other] = ["1", "2"].map(|event| Invocation::new(event).unwrap());
    let context = one.context().unwrap();
    assert_eq!((context.deadline_ms, context.invoked_function_arn), (Some(DEADLINE_MS), Some(FUNCTION_ARN)));
    assert_eq!((context.invocation_id, context.trace_id, context.tenant_id), (None, None, None));
    assert_ne!(context.request_id, other.context().unwrap().request_id);
    let bare = Invocation::new(Event::new("").deadline_ms(None).function_arn(None)).unwrap();
    let context = bare.context().unwrap();
    assert_eq!((bare.event(), context.deadline_ms, context.invoked_function_arn), (&b""[..], None, None));
}

#[test]
fn a_failure_comes_out_as_an_error() {
    let invocation = Invocation::new("{}").unwrap();
    let answer = call(&invocation, |_, _| Err(Failure::new("Function.Bad", "it is")));
    assert_eq!((answer.kind, answer.error_type.as_deref()), (RequestKind::Error, Some("Function.Bad")));
    assert_eq!(answer.report_text(), r#"{"errorMessage":"it is","errorType":"Function.Bad"}"#);
    assert!(answer.is_error());
}

#[test]
fn streams_come_out_whole() {
    let invocation = Invocation::new("{}").unwrap();
    let stream = |pieces: Vec<Result<Vec<u8>, Failure>>| {
        call(&invocation, move |_, _| Ok(Response::stream("a/b", Box::new(pieces.into_iter()))))
    };
    let failure = || Err(Failure::new("Function.Broken", "on the way"));
    let whole = stream(vec![Ok(b"one ".to_vec()), Ok(Vec::new()), Ok(b"two".to_vec())]);
    assert!(whole.is_streamed && !whole.is_error());
    assert_eq!(whole.text(), "one two");
    assert!(stream(vec![]).is_streamed);
    let broken = stream(vec![Ok(b"one".to_vec()), failure()]);
    assert_eq!((broken.kind, &*broken.text()), (RequestKind::Response, "one"));
    assert_eq!(broken.error_type.as_deref(), Some("Function.Broken"));
    assert!(broken.report_text().contains("on the way") && broken.trailers.len() == 2);
    let failed = stream(vec![failure()]);
    assert_eq!((failed.kind, failed.error_type.as_deref()), (RequestKind::Error, Some("Function.Broken")));
    let http = call(&invocation, |_, _| {
        Ok(Response::stream_http(&Prelude::new(201), Box::new([Ok(b"body".to_vec())].into_iter()))?)
    });
    assert!(http.text().starts_with("{\"statusCode\":201") && http.text().ends_with("\0body"));
}

#[test]
fn what_an_async_handler_returns_comes_out() {
    async fn shout<'e>(event: &'e [u8], _: &Context<'e>) -> Result<lambwire_smol::Response<'e>, Failure> {
        let pieces = smol::stream::iter([Ok(event.to_ascii_uppercase())]);
        Ok(lambwire_smol::Response::stream("a/b", Box::pin(pieces)))
    }
    let invocation = Invocation::new("\"a\"").unwrap();
    let response = smol::block_on(shout(invocation.event(), &invocation.context().unwrap())).unwrap();
    // The pieces of a future's response are a stream, which an iterator is made of here.
    let answer = invocation.answer(Ok(lambwire_mio::Response {
        content_type: response.content_type,
        body: match response.body {
            lambwire_runtime::ResponseBody::Pieces { opening, pieces } => {
                lambwire_runtime::ResponseBody::Pieces { opening, pieces: Box::new(smol::stream::block_on(pieces)) }
            }
            lambwire_runtime::ResponseBody::Buffered(body) => lambwire_runtime::ResponseBody::Buffered(body),
        },
    }));
    assert_eq!(answer.unwrap().text(), "\"A\"");
}

#[test]
fn a_response_at_the_limit_comes_out_and_a_larger_one_is_an_error() {
    let invocation = Invocation::new("{}").unwrap();
    for (len, is_error) in [(limit() - 1, false), (limit(), false), (limit() + 1, true)] {
        let answer = call(&invocation, move |_, _| Ok(vec![b' '; len].into()));
        assert_eq!(answer.is_error(), is_error, "{len}");
    }
    let unfit = call(&invocation, |_, _| Ok(Response::new("a\nb", &b""[..])));
    assert!(unfit.is_error());
}

#[test]
fn an_event_that_cannot_be_sent_is_an_error() {
    let error = Invocation::new(Event::new("").trace_id("a\nb")).unwrap_err();
    assert_eq!(error, Error::Send(SendError::InvalidValue("trace id")));
    assert!(error.to_string().starts_with("cannot be sent: "));
    assert!(matches!(Invocation::new(Event::new("").request_id("a/b")), Err(Error::Send(_))));
}
