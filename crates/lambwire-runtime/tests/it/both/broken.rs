//! What goes wrong: refusals, lost connections, servers that have nothing yet.

use std::net::TcpListener;
use std::sync::mpsc;

use lambwire_runtime::lambwire::{self, ApiError, Error, Prelude, ReceiveError, Reply, SendError};

use super::adapter::{Response, Runtime};
use super::with_peer;
use crate::peer::{ID, Peer};

#[test]
fn a_refused_answer_says_why_and_the_loop_goes_on() {
    for (error, status) in [
        (ApiError::InvalidRequestId, 400),
        (ApiError::InvalidStateTransition { from: "A", to: "B" }, 403),
        (ApiError::InvokeTimeout, 410),
        (ApiError::RequestEntityTooLarge, 413),
    ] {
        let (mut runtime, peer) = with_peer(move |listener| {
            let mut peer = Peer::accept(listener);
            peer.invoke(b"{}");
            peer.refuse(error);
            peer.invoke(b"{}");
            peer.take_answer();
        });
        let mut buf = Vec::new();
        let Err(Error::Rejected(refusal)) = wait!(wait!(runtime.next(&mut buf)).unwrap().respond(b"{}")) else {
            panic!("not refused");
        };
        assert_eq!((refusal.status(), refusal.is_fatal()), (status, false));
        assert!(refusal.message().is_some());
        wait!(wait!(runtime.next(&mut buf)).unwrap().respond(b"{}")).unwrap();
        peer.join().unwrap();
    }
}

#[test]
fn a_refused_next_ends_the_loop() {
    for error in [ApiError::InvalidStateTransition { from: "A", to: "B" }, ApiError::InternalServerError] {
        let (mut runtime, peer) = with_peer(move |listener| Peer::accept(listener).refuse(error));
        let Err(error) = wait!(runtime.next(&mut Vec::new())).map(|_| ()) else { panic!("not refused") };
        assert!(error.is_fatal() && error.to_string().starts_with("next refused with status"), "{error}");
        peer.join().unwrap();
    }
}

#[test]
fn a_container_error_after_an_answer_ends_the_loop() {
    let (mut runtime, peer) = with_peer(|listener| {
        let mut peer = Peer::accept(listener);
        peer.invoke(b"{}");
        peer.refuse(ApiError::InternalServerError);
    });
    assert!(wait!(wait!(runtime.next(&mut Vec::new())).unwrap().respond(b"{}")).unwrap_err().is_fatal());
    peer.join().unwrap();
}

#[test]
fn nothing_yet_is_asked_again() {
    let (mut runtime, peer) = with_peer(|listener| {
        let mut peer = Peer::accept(listener);
        peer.request();
        peer.reply(&Reply::NothingYet, b"");
        peer.request();
        peer.write(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n");
        drop(peer);
        Peer::accept(listener).invoke(b"at last");
    });
    assert_eq!(wait!(runtime.next(&mut Vec::new())).unwrap().payload, b"at last");
    peer.join().unwrap();
}

#[test]
fn a_connection_that_died_while_idle_is_made_anew() {
    let (mut runtime, peer) = with_peer(|listener| {
        for death in 0..3 {
            let mut peer = Peer::accept(listener);
            peer.request();
            if death == 1 {
                peer.write(b"HTTP/1.1 200 OK\r\nContent-Le");
            }
        }
        let mut peer = Peer::accept(listener);
        peer.invoke(b"alive");
        peer.take_answer().1
    });
    let mut buf = Vec::new();
    let invocation = wait!(runtime.next(&mut buf)).unwrap();
    let event = invocation.payload;
    wait!(invocation.respond(event)).unwrap();
    assert_eq!(peer.join().unwrap(), b"alive");
}

#[test]
fn an_answer_whose_connection_is_dead_is_given_again() {
    let (mut runtime, peer) = with_peer(|listener| {
        let mut peer = Peer::accept(listener);
        peer.invoke(b"{}");
        peer.request();
        drop(peer);
        let mut peer = Peer::accept(listener);
        peer.take_answer().1
    });
    wait!(wait!(runtime.next(&mut Vec::new())).unwrap().respond(b"once")).unwrap();
    assert_eq!(peer.join().unwrap(), b"once");
}

#[test]
fn an_answer_that_had_arrived_before_is_not_an_error() {
    let (mut runtime, peer) = with_peer(|listener| {
        let mut peer = Peer::accept(listener);
        peer.invoke(b"{}");
        peer.request();
        drop(peer);
        Peer::accept(listener).refuse(ApiError::InvalidStateTransition { from: "A", to: "B" });
    });
    wait!(wait!(runtime.next(&mut Vec::new())).unwrap().respond(b"once")).unwrap();
    peer.join().unwrap();
}

#[test]
fn an_early_refusal_of_a_large_answer_is_read() {
    let (mut runtime, peer) = with_peer(|listener| {
        let mut peer = Peer::accept(listener);
        peer.invoke(b"{}");
        peer.read_raw(1000);
        peer.write(b"HTTP/1.1 413 Request Entity Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        let mut next = Peer::accept(listener);
        next.invoke(b"{}");
        next.take_answer();
        drop(peer);
    });
    let mut buf = Vec::new();
    let Err(Error::Rejected(refusal)) = wait!(wait!(runtime.next(&mut buf)).unwrap().respond(vec![b'x'; 6 << 20]))
    else {
        panic!("not refused");
    };
    assert_eq!(refusal.status(), 413);
    wait!(wait!(runtime.next(&mut buf)).unwrap().respond(b"{}")).unwrap();
    peer.join().unwrap();
}

#[test]
fn an_invocation_without_a_request_id_is_an_error_that_names_it() {
    let (mut runtime, peer) = with_peer(|listener| {
        let mut peer = Peer::accept(listener);
        peer.request();
        peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    });
    let error = wait!(runtime.next(&mut Vec::new())).map(|_| ()).unwrap_err();
    assert!(matches!(error, Error::Receive { error: ReceiveError::NoRequestId, .. }), "{error}");
    peer.join().unwrap();
}

#[test]
fn an_invocation_whose_event_is_too_large_fails_and_the_loop_goes_on() {
    let head = format!(
        "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: {ID}\r\nLambda-Runtime-Invocation-Id: 02876d80-77eb\r\n"
    );
    let length = b"Content-Length: 7000000\r\n\r\n".to_vec();
    let mut chunks = b"Transfer-Encoding: chunked\r\n\r\n6acfc0\r\n".to_vec();
    chunks.resize(7_000_000, b' ');
    for body in [length, chunks] {
        let head = head.clone();
        let (mut runtime, peer) = with_peer(move |listener| {
            let mut peer = Peer::accept(listener);
            peer.request();
            peer.write(head.as_bytes());
            peer.write_some(&body);
            let mut peer = Peer::accept(listener);
            let failure = peer.take_answer();
            peer.invoke(b"fits");
            failure
        });
        assert_eq!(wait!(runtime.next(&mut Vec::new())).unwrap().payload, b"fits");
        let (said, report) = peer.join().unwrap();
        assert_eq!(said, "error Function.EventTooLarge");
        let limit = lambwire::limits::PAYLOAD_BYTES.to_string();
        assert!(String::from_utf8(report).unwrap().contains(&limit));
    }
}

#[test]
fn an_event_that_is_too_large_and_names_no_invocation_ends_the_loop() {
    let (mut runtime, peer) = with_peer(|listener| {
        let mut peer = Peer::accept(listener);
        peer.request();
        peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 7000000\r\n\r\n");
    });
    let error = wait!(runtime.next(&mut Vec::new())).map(|_| ()).unwrap_err();
    assert!(matches!(error, Error::Receive { error: ReceiveError::PayloadTooLarge { .. }, .. }), "{error}");
    assert!(error.is_fatal());
    peer.join().unwrap();
}

#[test]
fn a_connection_with_bytes_behind_a_reply_is_not_used_again() {
    let (mut runtime, peer) = with_peer(|listener| {
        let mut peer = Peer::accept(listener);
        peer.invoke(b"{}");
        peer.request();
        peer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n");
        peer.closed();
        Peer::accept(listener).invoke(b"at last");
    });
    let mut buf = Vec::new();
    wait!(wait!(runtime.next(&mut buf)).unwrap().respond(b"{}")).unwrap();
    assert_eq!(wait!(runtime.next(&mut buf)).unwrap().payload, b"at last");
    peer.join().unwrap();
}

#[test]
fn an_answer_that_was_lost_half_way_is_not_given_again() {
    let (mut runtime, peer) = with_peer(|listener| {
        let mut peer = Peer::accept(listener);
        peer.invoke(b"{}");
        peer.read_raw(1000);
        drop(peer);
        Peer::accept(listener).invoke(b"at last");
    });
    let mut buf = Vec::new();
    let lost = wait!(wait!(runtime.next(&mut buf)).unwrap().respond(vec![b'x'; 6 << 20]));
    assert!(matches!(lost, Err(Error::Transport { .. })), "{lost:?}");
    assert_eq!(wait!(runtime.next(&mut buf)).unwrap().payload, b"at last");
    peer.join().unwrap();
}

#[test]
fn a_reply_that_takes_half_an_answer_for_whole_is_not_believed() {
    let (mut runtime, peer) = with_peer(|listener| {
        let mut peer = Peer::accept(listener);
        peer.invoke(b"{}");
        peer.read_raw(1000);
        peer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
        Peer::accept(listener).invoke(b"at last");
    });
    let mut buf = Vec::new();
    let lost = wait!(wait!(runtime.next(&mut buf)).unwrap().respond(vec![b'x'; 6 << 20])).unwrap_err();
    assert!(matches!(lost, Error::Transport { .. }), "{lost:?}");
    assert_eq!(wait!(runtime.next(&mut buf)).unwrap().payload, b"at last");
    peer.join().unwrap();
}

#[test]
fn a_response_that_cannot_be_sent_is_reported() {
    let (mut runtime, peer) = with_peer(|listener| {
        let mut peer = Peer::accept(listener);
        peer.invoke(b"{}");
        peer.take_answer().0
    });
    let mut buf = Vec::new();
    let verdict = wait!(wait!(runtime.next(&mut buf)).unwrap().respond(Response::new("text/plain\r\nX: y", b"")));
    assert!(matches!(verdict, Err(Error::Send { .. })));
    assert_eq!(peer.join().unwrap(), "error Function.UnsendableResponse");
}

#[test]
fn a_prelude_that_is_too_long_is_reported() {
    let (mut runtime, peer) = with_peer(|listener| {
        let mut peer = Peer::accept(listener);
        peer.invoke(b"{}");
        peer.take_answer().0
    });
    let cookie = "x".repeat(lambwire::limits::PRELUDE_BYTES);
    let prelude = Prelude { status_code: 200, headers: &[], multi_value_headers: &[], cookies: &[&cookie] };
    let mut buf = Vec::new();
    let verdict = wait!(wait!(runtime.next(&mut buf)).unwrap().stream_http(&prelude)).map(|_| ());
    assert!(matches!(verdict, Err(Error::Send { .. })));
    assert_eq!(peer.join().unwrap(), "error Function.UnsendableResponse");
}

#[test]
fn the_end_of_a_connection_is_seen_behind_bytes_that_came_with_it() {
    let (tx, rx) = mpsc::channel();
    let (mut runtime, peer) = with_peer(move |listener| {
        let mut peer = Peer::accept(listener);
        peer.write(b"HTTP/1.1 200 OK\r\nContent-Le");
        peer.fall_silent();
        tx.send(()).unwrap();
        Peer::accept(listener).invoke(b"at last");
    });
    rx.recv().unwrap();
    let mut buf = Vec::new();
    assert_eq!(wait!(runtime.next(&mut buf)).unwrap().payload, b"at last");
    peer.join().unwrap();
}

#[test]
fn an_answer_of_which_nothing_went_out_is_given_again_and_its_refusal_told() {
    let (tx, rx) = mpsc::channel();
    let (mut runtime, peer) = with_peer(move |listener| {
        let mut peer = Peer::accept(listener);
        peer.invoke(b"{}");
        peer.reset();
        tx.send(()).unwrap();
        Peer::accept(listener).refuse(ApiError::InvalidRequestId);
    });
    let mut buf = Vec::new();
    let invocation = wait!(runtime.next(&mut buf)).unwrap();
    rx.recv().unwrap();
    let verdict = wait!(invocation.respond(b"{}"));
    assert!(matches!(verdict, Err(Error::Rejected(_))), "{verdict:?}");
    peer.join().unwrap();
}

#[test]
fn a_stream_that_cannot_be_sent_is_reported() {
    let (mut runtime, peer) = with_peer(|listener| {
        let mut peer = Peer::accept(listener);
        [(); 2].map(|()| {
            peer.invoke(b"{}");
            peer.take_answer().0
        })
    });
    let mut buf = Vec::new();
    let invocation = wait!(runtime.next(&mut buf)).unwrap();
    assert!(matches!(wait!(invocation.stream("a\nb").finish()), Err(Error::Send { .. })));
    let mut stream = wait!(runtime.next(&mut buf)).unwrap().stream("a\nb");
    assert!(matches!(wait!(stream.write(b"piece")), Err(Error::Send { .. })));
    assert!(matches!(wait!(stream.finish()), Err(Error::Send { error: SendError::Closed, .. })));
    assert_eq!(peer.join().unwrap(), ["error Function.UnsendableResponse"; 2]);
}

#[test]
fn an_address_that_is_none_or_nobodys_is_an_error() {
    assert!(matches!(wait!(Runtime::connect("nowhere")).map(|_| ()), Err(Error::Send { .. })));
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap();
    assert!(matches!(wait!(Runtime::connect(&port.to_string())).map(|_| ()), Err(Error::Transport { .. })));
}
