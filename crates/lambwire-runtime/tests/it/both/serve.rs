//! The loop around a handler: responses and the following `next` in one write, failures of every kind.

use std::cell::{Cell, RefCell};

use lambwire_runtime::lambwire::{ApiError, Error, Pipelining};

use super::adapter::{Failure, Response};
use super::with_peer;
use crate::peer::{ID, Peer, TRACE_ID};

/// A failure of these words.
pub(crate) fn failure(message: &str) -> Failure {
    Failure::new("Function.Test", message)
}

/// Serves until the API refuses `next` with 500, as every script here does in the end.
macro_rules! serve {
    ($runtime:expr, $handler:expr, $observe:expr $(,)?) => {{
        let error = wait!($runtime.serve_observed($handler, $observe));
        assert!(error.to_string().starts_with("next refused with status 500"), "{error}");
    }};
}

#[test]
fn an_answer_and_the_next_question_go_out_together() {
    const LARGE: usize = 100_000;
    let (mut runtime, peer) = with_peer(|listener| {
        let mut peer = Peer::accept(listener);
        peer.invoke(b"0");
        // No reply before both requests are here; then both replies at once.
        for length in [1, 10, LARGE, 3] {
            assert_eq!(peer.request().0, "response Buffered application/json");
            peer.read_until(b"/invocation/next HTTP/1.1");
            peer.accept_and_invoke(&vec![b'x'; length]);
        }
        peer.take_answer();
        peer.refuse(ApiError::InternalServerError);
    });
    let lengths = RefCell::new(Vec::new());
    serve!(
        runtime,
        handler!(|event, context| {
            assert_eq!(context.request_id.as_str(), ID);
            lengths.borrow_mut().push(event.len());
            Ok(event.into())
        }),
        |_, error| panic!("{error}"),
    );
    assert_eq!(lengths.into_inner(), [1, 1, 10, LARGE, 3]);
    peer.join().unwrap();
}

#[test]
fn the_next_question_waits_for_the_reply_if_told_so() {
    for (pipelining, is_ahead) in [(Pipelining::Next, true), (Pipelining::Off, false)] {
        let (mut runtime, peer) = with_peer(|listener| {
            let mut peer = Peer::accept(listener);
            peer.invoke(b"{}");
            peer.request();
            // The following `next` can come by this connection only if it did not wait for this.
            peer.write(b"HTTP/1.1 202 Accepted\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
            let rest = peer.read_rest();
            Peer::accept(listener).refuse(ApiError::InternalServerError);
            rest
        });
        runtime.pipelining = pipelining;
        serve!(runtime, handler!(|event, _| Ok(event.into())), |_, error| panic!("{error}"));
        assert_eq!(peer.join().unwrap() > 0, is_ahead);
    }
}

#[test]
fn a_refused_answer_is_told_and_the_loop_goes_on() {
    for error in [
        ApiError::InvalidRequestId,
        ApiError::InvalidStateTransition { from: "A", to: "B" },
        ApiError::InvokeTimeout,
        ApiError::RequestEntityTooLarge,
    ] {
        let (mut runtime, peer) = with_peer(move |listener| {
            let mut peer = Peer::accept(listener);
            peer.invoke(b"{}");
            peer.refuse(error);
            peer.invoke(b"{}");
            peer.take_answer();
            peer.refuse(ApiError::InternalServerError);
        });
        let observed = Cell::new(0);
        serve!(runtime, handler!(|event, _| Ok(event.into())), |context, error| {
            assert_eq!(context.request_id.as_str(), ID);
            assert!(matches!(error, Error::Rejected(_)), "{error}");
            observed.set(observed.get() + 1);
        },);
        assert_eq!(observed.get(), 1);
        peer.join().unwrap();
    }
}

#[test]
fn an_answer_that_ends_the_environment_ends_the_loop() {
    let (mut runtime, peer) = with_peer(|listener| {
        let mut peer = Peer::accept(listener);
        peer.invoke(b"{}");
        peer.refuse(ApiError::InternalServerError);
        peer.read_until(b"/invocation/next HTTP/1.1");
    });
    let error = wait!(runtime.serve_observed(handler!(|event, _| Ok(event.into())), |_, error| panic!("{error}")));
    assert!(error.to_string().starts_with("response refused with status 500"), "{error}");
    drop(runtime);
    peer.join().unwrap();
}

thread_local! {
    static TRACE_IDS: RefCell<Vec<Option<String>>> = const { RefCell::new(Vec::new()) };
}

#[test]
fn a_trace_id_is_known_before_its_handler_runs() {
    let (mut runtime, peer) = with_peer(|listener| {
        let mut peer = Peer::accept(listener);
        for _ in 0..2 {
            peer.invoke(b"{}");
            peer.take_answer();
        }
        peer.refuse(ApiError::InternalServerError);
    });
    runtime.on_trace_id = |id| TRACE_IDS.with_borrow_mut(|ids| ids.push(id.map(str::to_owned)));
    let known = RefCell::new(Vec::new());
    serve!(
        runtime,
        handler!(|event, _| {
            known.borrow_mut().push(TRACE_IDS.with_borrow(Vec::clone));
            Ok(event.into())
        }),
        |_, error| panic!("{error}"),
    );
    let id = Some(TRACE_ID.to_owned());
    assert_eq!(known.into_inner(), [vec![id.clone()], vec![id.clone(), id]]);
    peer.join().unwrap();
}

#[test]
fn a_connection_that_dies_behind_an_answer_costs_nothing() {
    let (mut runtime, peer) = with_peer(|listener| {
        let mut peer = Peer::accept(listener);
        peer.invoke(b"first");
        let first = peer.take_answer();
        // The `next` that came along is lost.
        drop(peer);
        let mut peer = Peer::accept(listener);
        peer.invoke(b"second");
        peer.request();
        // So is this answer, or its reply.
        drop(peer);
        let mut peer = Peer::accept(listener);
        let second = peer.take_answer();
        peer.refuse(ApiError::InternalServerError);
        (first.1, second.1)
    });
    serve!(runtime, handler!(|event, _| Ok(event.into())), |_, error| panic!("{error}"));
    assert_eq!(peer.join().unwrap(), (b"first".to_vec(), b"second".to_vec()));
}

#[test]
fn failures_and_panics_are_reported_and_the_loop_goes_on() {
    let (mut runtime, peer) = with_peer(|listener| {
        let mut peer = Peer::accept(listener);
        let answers = ["fail", "error", "panic", "too large", "fine"].map(|event| {
            peer.invoke(event.as_bytes());
            peer.take_answer()
        });
        peer.refuse(ApiError::InternalServerError);
        answers.map(|(said, body)| (said, String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned()))
    });
    let observed = RefCell::new(Vec::new());
    serve!(
        runtime,
        handler!(|event, _| match event {
            b"fail" => Err(failure("asked to fail")),
            b"error" => Ok("x".parse::<u8>()?.to_string().into()),
            b"panic" => panic!("asked to panic"),
            b"too large" => Ok(vec![0; 7 << 20].into()),
            event => Ok(Response::new("text/plain", event)),
        }),
        |_, error| observed.borrow_mut().push(format!("{error:#}")),
    );
    let [fail, error, panic, too_large, fine] = peer.join().unwrap();
    assert_eq!(fail.0, "error Function.Test");
    assert_eq!(fail.1, r#"{"errorMessage":"asked to fail","errorType":"Function.Test"}"#);
    assert_eq!(error.0, "error Function.HandlerError");
    assert_eq!(panic.0, "error Function.Panic");
    let here = format!(r#"{{"errorMessage":"panicked at {}:"#, file!());
    assert!(panic.1.starts_with(&here) && panic.1.contains(": asked to panic\""), "{}", panic.1);
    assert_eq!(too_large.0, "error Function.ResponseSizeTooLarge");
    assert_eq!(observed.into_inner(), ["response cannot be sent: payload is 7340032 bytes, limit is 6291556"]);
    assert_eq!(fine, ("response Buffered text/plain".into(), "fine".into()));
}

/// Has each of these events answered by a stream: `whole` and `http` with the event as its body, two bytes a piece;
/// `fail` with a part, and a failure on the way; `panic` with the event, and a panic; `unsendable` with a media type that
/// is none.
pub(crate) fn streams_are_sent_in_pieces_and_end_as_their_pieces_do(
    stream: impl for<'e> Fn(&'e [u8]) -> Result<Response<'e>, Failure>,
) {
    let (mut runtime, peer) = with_peer(|listener| {
        let mut peer = Peer::accept(listener);
        let answers = ["whole", "http", "fail", "panic", "unsendable"].map(|event| {
            peer.invoke(event.as_bytes());
            peer.take_answer()
        });
        peer.refuse(ApiError::InternalServerError);
        answers
    });
    let observed = RefCell::new(Vec::new());
    serve!(runtime, handler!(|event, _| stream(event)), |_, error| observed.borrow_mut().push(format!("{error:#}")));
    let [whole, http, fail, panic, unsendable] = peer.join().unwrap();
    assert_eq!(whole, ("response Streaming a/b".into(), b"whole".to_vec()));
    assert!(http.1.starts_with(b"{\"statusCode\":201") && http.1.ends_with(b"\0\0\0\0\0\0\0\0http"));
    assert!(fail.0.starts_with("response Streaming a/b Function.Test {") && fail.0.contains("on the way"));
    assert_eq!(fail.1, b"part");
    assert!(panic.0.starts_with("response Streaming a/b Function.Panic {") && panic.0.contains("no more"));
    assert_eq!(panic.1, b"panic");
    assert_eq!(unsendable.0, "error Function.UnsendableResponse");
    assert_eq!(observed.into_inner(), ["response cannot be sent: invalid content type"]);
}
