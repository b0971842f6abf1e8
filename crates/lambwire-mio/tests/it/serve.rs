//! The loop around a handler: answers and the next question in one write, failures of every kind.

use std::cell::Cell;

use lambwire_mio::lambwire::{Context, Objection, Prelude};
use lambwire_mio::{Answer, Error, Failure, Runtime};

use crate::peer::{ID, Peer, with_peer};

/// A failure of these words.
fn failure(message: &str) -> Failure {
    Failure { error_type: "Function.Test".into(), message: message.into() }
}

/// Serves until the API refuses the next question with 500, as every script here does in the end.
#[track_caller]
fn serve(
    runtime: &mut Runtime,
    handler: impl for<'e> FnMut(&'e [u8], &Context<'e>) -> Result<Answer<'e>, Failure>,
    observe: impl FnMut(&Context<'_>, &Error),
) {
    let error = runtime.serve(handler, observe).unwrap_err();
    assert!(error.to_string().starts_with("next refused with status 500"), "{error}");
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
        peer.refuse(Objection::InternalServerError);
    });
    let mut lengths = Vec::new();
    serve(
        &mut runtime,
        |event, context| {
            assert_eq!(context.request_id.as_str(), ID);
            lengths.push(event.len());
            Ok(event.into())
        },
        |_, error| panic!("{error}"),
    );
    assert_eq!(lengths, [1, 1, 10, LARGE, 3]);
    peer.join().unwrap();
}

#[test]
fn the_next_question_waits_for_the_reply_if_told_so() {
    for is_ahead in [true, false] {
        let (mut runtime, peer) = with_peer(|listener| {
            let mut peer = Peer::accept(listener);
            peer.invoke(b"{}");
            peer.request();
            // The next question can come by this connection only if it did not wait for this.
            peer.write(b"HTTP/1.1 202 Accepted\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
            let rest = peer.read_rest();
            Peer::accept(listener).refuse(Objection::InternalServerError);
            rest
        });
        runtime.set_one_ahead(is_ahead);
        serve(&mut runtime, |event, _| Ok(event.into()), |_, error| panic!("{error}"));
        assert_eq!(peer.join().unwrap() > 0, is_ahead);
    }
}

#[test]
fn a_refused_answer_is_told_and_the_loop_goes_on() {
    for objection in [
        Objection::InvalidRequestId,
        Objection::InvalidStateTransition { from: "A", to: "B" },
        Objection::InvokeTimeout,
        Objection::RequestEntityTooLarge,
    ] {
        let (mut runtime, peer) = with_peer(move |listener| {
            let mut peer = Peer::accept(listener);
            peer.invoke(b"{}");
            peer.refuse(objection);
            peer.invoke(b"{}");
            peer.take_answer();
            peer.refuse(Objection::InternalServerError);
        });
        let observed = Cell::new(0);
        serve(
            &mut runtime,
            |event, _| Ok(event.into()),
            |context, error| {
                assert_eq!(context.request_id.as_str(), ID);
                assert!(matches!(error, Error::Refused(_)), "{error}");
                observed.set(observed.get() + 1);
            },
        );
        assert_eq!(observed.get(), 1);
        peer.join().unwrap();
    }
}

#[test]
fn an_answer_that_ends_the_environment_ends_the_loop() {
    let (mut runtime, peer) = with_peer(|listener| {
        let mut peer = Peer::accept(listener);
        peer.invoke(b"{}");
        peer.refuse(Objection::InternalServerError);
        peer.read_until(b"/invocation/next HTTP/1.1");
    });
    let error = runtime.serve(|event, _| Ok(event.into()), |_, error| panic!("{error}")).unwrap_err();
    assert!(error.to_string().starts_with("response refused with status 500"), "{error}");
    drop(runtime);
    peer.join().unwrap();
}

#[test]
fn a_connection_that_dies_behind_an_answer_costs_nothing() {
    let (mut runtime, peer) = with_peer(|listener| {
        let mut peer = Peer::accept(listener);
        peer.invoke(b"first");
        let first = peer.take_answer();
        // The question that came along is lost.
        drop(peer);
        let mut peer = Peer::accept(listener);
        peer.invoke(b"second");
        peer.request();
        // So is this answer, or its reply.
        drop(peer);
        let mut peer = Peer::accept(listener);
        let second = peer.take_answer();
        peer.refuse(Objection::InternalServerError);
        (first.1, second.1)
    });
    serve(&mut runtime, |event, _| Ok(event.into()), |_, error| panic!("{error}"));
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
        peer.refuse(Objection::InternalServerError);
        answers.map(|(said, body)| (said, String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned()))
    });
    let mut observed = Vec::new();
    serve(
        &mut runtime,
        |event, _| match event {
            b"fail" => Err(failure("told to fail")),
            b"error" => Ok("x".parse::<u8>()?.to_string().into()),
            b"panic" => panic!("told to panic"),
            b"too large" => Ok(vec![0; 7 << 20].into()),
            event => Ok(Answer::new("text/plain", event)),
        },
        |_, error| observed.push(error.to_string()),
    );
    let [fail, error, panic, too_large, fine] = peer.join().unwrap();
    assert_eq!(fail.0, "error Function.Test");
    assert_eq!(fail.1, r#"{"errorMessage":"told to fail","errorType":"Function.Test"}"#);
    assert_eq!(error.0, "error Function.HandlerError");
    assert_eq!(panic.0, "error Function.Panic");
    let here = format!(r#"{{"errorMessage":"panicked at {}:"#, file!());
    assert!(panic.1.starts_with(&here) && panic.1.contains(": told to panic\""), "{}", panic.1);
    assert_eq!(too_large.0, "error Function.ResponseSizeTooLarge");
    assert_eq!(observed, ["payload of 7340032 bytes, 6291556 is the most"]);
    assert_eq!(fine, ("response Buffered text/plain".into(), "fine".into()));
}

#[test]
fn streams_are_sent_in_pieces_and_end_as_their_pieces_do() {
    let (mut runtime, peer) = with_peer(|listener| {
        let mut peer = Peer::accept(listener);
        let answers = ["whole", "http", "fail", "panic", "unsendable"].map(|event| {
            peer.invoke(event.as_bytes());
            peer.take_answer()
        });
        peer.refuse(Objection::InternalServerError);
        answers
    });
    let mut observed = Vec::new();
    serve(
        &mut runtime,
        |event, _| {
            let mut pieces = event.chunks(2).map(|piece| Ok(piece.to_vec()));
            Ok(match event {
                b"http" => Answer::stream_http(&Prelude::new(201), pieces)?,
                b"fail" => Answer::stream("a/b", [Ok(b"part".to_vec()), Err(failure("on the way"))]),
                b"panic" => Answer::stream(
                    "a/b",
                    std::iter::from_fn(move || Some(pieces.next().unwrap_or_else(|| panic!("no more")))),
                ),
                b"unsendable" => Answer::stream("a\nb", pieces),
                _ => Answer::stream("a/b", pieces),
            })
        },
        |_, error| observed.push(error.to_string()),
    );
    let [whole, http, fail, panic, unsendable] = peer.join().unwrap();
    assert_eq!(whole, ("response Streaming a/b".into(), b"whole".to_vec()));
    assert!(http.1.starts_with(b"{\"statusCode\":201") && http.1.ends_with(b"\0\0\0\0\0\0\0\0http"));
    assert!(fail.0.starts_with("response Streaming a/b Function.Test {") && fail.0.contains("on the way"));
    assert_eq!(fail.1, b"part");
    assert!(panic.0.starts_with("response Streaming a/b Function.Panic {") && panic.0.contains("no more"));
    assert_eq!(panic.1, b"panic");
    assert_eq!(unsendable.0, "error Function.UnsendableResponse");
    assert_eq!(observed, ["the content type given cannot be sent"]);
}
