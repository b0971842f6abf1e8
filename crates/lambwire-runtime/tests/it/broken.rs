//! What goes wrong: refusals, lost connections, servers that have nothing yet.

use std::net::TcpListener;
use std::sync::mpsc;

use lambwire_runtime::lambwire::{Error, Objection, Prelude, ReceiveError, Reply};
use lambwire_runtime::{Runtime, Transport, lambwire};

use crate::peer::{ID, Peer, with_peer};

over_both! {
    a_refused_answer_says_why_and_the_loop_goes_on,
    a_refused_next_ends_the_loop,
    a_container_error_after_an_answer_ends_the_loop,
    nothing_yet_is_asked_again,
    a_connection_that_died_while_idle_is_made_anew,
    an_answer_whose_connection_is_dead_is_given_again,
    an_answer_that_had_arrived_before_is_not_an_error,
    an_early_refusal_of_a_large_answer_is_read,
    an_invocation_without_a_request_id_is_an_error_that_names_it,
    an_event_that_is_too_large_is_an_error_that_names_the_limit,
    a_connection_with_bytes_behind_a_reply_is_not_used_again,
    an_answer_that_was_lost_half_way_is_not_given_again,
    a_reply_that_takes_half_an_answer_for_whole_is_not_believed,
    a_response_that_cannot_be_sent_is_reported,
    a_prelude_that_is_too_long_is_reported,
    the_end_of_a_connection_is_seen_behind_bytes_that_came_with_it,
    an_answer_of_which_nothing_went_out_is_given_again_and_its_refusal_told,
    a_stream_that_cannot_be_sent_is_reported,
    an_address_that_is_none_or_nobodys_is_an_error,
}

fn a_refused_answer_says_why_and_the_loop_goes_on<T: Transport>() {
    for (objection, status) in [
        (Objection::InvalidRequestId, 400),
        (Objection::InvalidStateTransition { from: "A", to: "B" }, 403),
        (Objection::InvokeTimeout, 410),
        (Objection::RequestEntityTooLarge, 413),
    ] {
        let (mut runtime, peer) = with_peer::<T, _>(move |listener| {
            let mut peer = Peer::accept(listener);
            peer.invoke(b"{}");
            peer.refuse(objection);
            peer.invoke(b"{}");
            peer.take_answer();
        });
        let mut buf = Vec::new();
        let Err(Error::Refused(refusal)) = T::block_on(T::block_on(runtime.next(&mut buf)).unwrap().respond(b"{}"))
        else {
            panic!("not refused");
        };
        assert_eq!((refusal.status(), refusal.is_fatal()), (status, false));
        assert!(!refusal.message().is_empty());
        T::block_on(T::block_on(runtime.next(&mut buf)).unwrap().respond(b"{}")).unwrap();
        peer.join().unwrap();
    }
}

fn a_refused_next_ends_the_loop<T: Transport>() {
    for objection in [Objection::InvalidStateTransition { from: "A", to: "B" }, Objection::InternalServerError] {
        let (mut runtime, peer) = with_peer::<T, _>(move |listener| Peer::accept(listener).refuse(objection));
        let Err(error) = T::block_on(runtime.next(&mut Vec::new())).map(|_| ()) else { panic!("not refused") };
        assert!(error.is_fatal() && error.to_string().starts_with("next refused with status"), "{error}");
        peer.join().unwrap();
    }
}

fn a_container_error_after_an_answer_ends_the_loop<T: Transport>() {
    let (mut runtime, peer) = with_peer::<T, _>(|listener| {
        let mut peer = Peer::accept(listener);
        peer.invoke(b"{}");
        peer.refuse(Objection::InternalServerError);
    });
    assert!(T::block_on(T::block_on(runtime.next(&mut Vec::new())).unwrap().respond(b"{}")).unwrap_err().is_fatal());
    peer.join().unwrap();
}

fn nothing_yet_is_asked_again<T: Transport>() {
    let (mut runtime, peer) = with_peer::<T, _>(|listener| {
        let mut peer = Peer::accept(listener);
        peer.request();
        peer.reply(&Reply::NothingYet, b"");
        peer.request();
        peer.write(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n");
        drop(peer);
        Peer::accept(listener).invoke(b"at last");
    });
    assert_eq!(T::block_on(runtime.next(&mut Vec::new())).unwrap().payload, b"at last");
    peer.join().unwrap();
}

fn a_connection_that_died_while_idle_is_made_anew<T: Transport>() {
    let (mut runtime, peer) = with_peer::<T, _>(|listener| {
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
    let invocation = T::block_on(runtime.next(&mut buf)).unwrap();
    let event = invocation.payload;
    T::block_on(invocation.respond(event)).unwrap();
    assert_eq!(peer.join().unwrap(), b"alive");
}

fn an_answer_whose_connection_is_dead_is_given_again<T: Transport>() {
    let (mut runtime, peer) = with_peer::<T, _>(|listener| {
        let mut peer = Peer::accept(listener);
        peer.invoke(b"{}");
        peer.request();
        drop(peer);
        let mut peer = Peer::accept(listener);
        peer.take_answer().1
    });
    T::block_on(T::block_on(runtime.next(&mut Vec::new())).unwrap().respond(b"once")).unwrap();
    assert_eq!(peer.join().unwrap(), b"once");
}

fn an_answer_that_had_arrived_before_is_not_an_error<T: Transport>() {
    let (mut runtime, peer) = with_peer::<T, _>(|listener| {
        let mut peer = Peer::accept(listener);
        peer.invoke(b"{}");
        peer.request();
        drop(peer);
        Peer::accept(listener).refuse(Objection::InvalidStateTransition { from: "A", to: "B" });
    });
    T::block_on(T::block_on(runtime.next(&mut Vec::new())).unwrap().respond(b"once")).unwrap();
    peer.join().unwrap();
}

fn an_early_refusal_of_a_large_answer_is_read<T: Transport>() {
    let (mut runtime, peer) = with_peer::<T, _>(|listener| {
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
    let Err(Error::Refused(refusal)) =
        T::block_on(T::block_on(runtime.next(&mut buf)).unwrap().respond(&vec![b'x'; 6 << 20]))
    else {
        panic!("not refused");
    };
    assert_eq!(refusal.status(), 413);
    T::block_on(T::block_on(runtime.next(&mut buf)).unwrap().respond(b"{}")).unwrap();
    peer.join().unwrap();
}

fn an_invocation_without_a_request_id_is_an_error_that_names_it<T: Transport>() {
    let (mut runtime, peer) = with_peer::<T, _>(|listener| {
        let mut peer = Peer::accept(listener);
        peer.request();
        peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    });
    let error = T::block_on(runtime.next(&mut Vec::new())).map(|_| ()).unwrap_err();
    assert!(matches!(error, Error::Receive(ReceiveError::NoRequestId)), "{error}");
    peer.join().unwrap();
}

fn an_event_that_is_too_large_is_an_error_that_names_the_limit<T: Transport>() {
    let (mut runtime, peer) = with_peer::<T, _>(|listener| {
        let mut peer = Peer::accept(listener);
        peer.request();
        let head = format!("HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: {ID}\r\nContent-Length: 7000000\r\n\r\n");
        peer.write(head.as_bytes());
        peer.closed();
    });
    let error = T::block_on(runtime.next(&mut Vec::new())).map(|_| ()).unwrap_err();
    let limit = lambwire::limits::PAYLOAD_BYTES;
    assert!(matches!(error, Error::Receive(ReceiveError::PayloadTooLarge { limit: named }) if named == limit));
    drop(runtime);
    peer.join().unwrap();
}

fn a_connection_with_bytes_behind_a_reply_is_not_used_again<T: Transport>() {
    let (mut runtime, peer) = with_peer::<T, _>(|listener| {
        let mut peer = Peer::accept(listener);
        peer.invoke(b"{}");
        peer.request();
        peer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n");
        peer.closed();
        Peer::accept(listener).invoke(b"at last");
    });
    let mut buf = Vec::new();
    T::block_on(T::block_on(runtime.next(&mut buf)).unwrap().respond(b"{}")).unwrap();
    assert_eq!(T::block_on(runtime.next(&mut buf)).unwrap().payload, b"at last");
    peer.join().unwrap();
}

fn an_answer_that_was_lost_half_way_is_not_given_again<T: Transport>() {
    let (mut runtime, peer) = with_peer::<T, _>(|listener| {
        let mut peer = Peer::accept(listener);
        peer.invoke(b"{}");
        peer.read_raw(1000);
        drop(peer);
        Peer::accept(listener).invoke(b"at last");
    });
    let mut buf = Vec::new();
    let lost = T::block_on(T::block_on(runtime.next(&mut buf)).unwrap().respond(&vec![b'x'; 6 << 20]));
    assert!(matches!(lost, Err(Error::Transport(_))), "{lost:?}");
    assert_eq!(T::block_on(runtime.next(&mut buf)).unwrap().payload, b"at last");
    peer.join().unwrap();
}

fn a_reply_that_takes_half_an_answer_for_whole_is_not_believed<T: Transport>() {
    let (mut runtime, peer) = with_peer::<T, _>(|listener| {
        let mut peer = Peer::accept(listener);
        peer.invoke(b"{}");
        peer.read_raw(1000);
        peer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
        Peer::accept(listener).invoke(b"at last");
    });
    let mut buf = Vec::new();
    let lost = T::block_on(T::block_on(runtime.next(&mut buf)).unwrap().respond(&vec![b'x'; 6 << 20])).unwrap_err();
    assert!(matches!(lost, Error::Transport(_)), "{lost:?}");
    assert_eq!(T::block_on(runtime.next(&mut buf)).unwrap().payload, b"at last");
    peer.join().unwrap();
}

fn a_response_that_cannot_be_sent_is_reported<T: Transport>() {
    let (mut runtime, peer) = with_peer::<T, _>(|listener| {
        let mut peer = Peer::accept(listener);
        peer.invoke(b"{}");
        peer.take_answer().0
    });
    let mut buf = Vec::new();
    let verdict = T::block_on(T::block_on(runtime.next(&mut buf)).unwrap().respond_as("text/plain\r\nX: y", b""));
    assert!(matches!(verdict, Err(Error::Send(_))));
    assert_eq!(peer.join().unwrap(), "error Function.UnsendableResponse");
}

fn a_prelude_that_is_too_long_is_reported<T: Transport>() {
    let (mut runtime, peer) = with_peer::<T, _>(|listener| {
        let mut peer = Peer::accept(listener);
        peer.invoke(b"{}");
        peer.take_answer().0
    });
    let cookie = "x".repeat(lambwire::limits::PRELUDE_BYTES);
    let prelude = Prelude { status_code: 200, headers: &[], multi_value_headers: &[], cookies: &[&cookie] };
    let mut buf = Vec::new();
    let verdict = T::block_on(T::block_on(runtime.next(&mut buf)).unwrap().stream_http(&prelude)).map(|_| ());
    assert!(matches!(verdict, Err(Error::Send(_))));
    assert_eq!(peer.join().unwrap(), "error Function.UnsendableResponse");
}

fn the_end_of_a_connection_is_seen_behind_bytes_that_came_with_it<T: Transport>() {
    let (tx, rx) = mpsc::channel();
    let (mut runtime, peer) = with_peer::<T, _>(move |listener| {
        let mut peer = Peer::accept(listener);
        peer.write(b"HTTP/1.1 200 OK\r\nContent-Le");
        peer.fall_silent();
        tx.send(()).unwrap();
        Peer::accept(listener).invoke(b"at last");
    });
    rx.recv().unwrap();
    let mut buf = Vec::new();
    assert_eq!(T::block_on(runtime.next(&mut buf)).unwrap().payload, b"at last");
    peer.join().unwrap();
}

fn an_answer_of_which_nothing_went_out_is_given_again_and_its_refusal_told<T: Transport>() {
    let (tx, rx) = mpsc::channel();
    let (mut runtime, peer) = with_peer::<T, _>(move |listener| {
        let mut peer = Peer::accept(listener);
        peer.invoke(b"{}");
        peer.reset();
        tx.send(()).unwrap();
        Peer::accept(listener).refuse(Objection::InvalidRequestId);
    });
    let mut buf = Vec::new();
    let invocation = T::block_on(runtime.next(&mut buf)).unwrap();
    rx.recv().unwrap();
    let verdict = T::block_on(invocation.respond(b"{}"));
    assert!(matches!(verdict, Err(Error::Refused(_))), "{verdict:?}");
    peer.join().unwrap();
}

fn a_stream_that_cannot_be_sent_is_reported<T: Transport>() {
    let (mut runtime, peer) = with_peer::<T, _>(|listener| {
        let mut peer = Peer::accept(listener);
        peer.invoke(b"{}");
        peer.take_answer().0
    });
    let mut buf = Vec::new();
    let invocation = T::block_on(runtime.next(&mut buf)).unwrap();
    let verdict = T::block_on(invocation.stream("a\nb").finish());
    assert!(matches!(verdict, Err(Error::Send(_))));
    assert_eq!(peer.join().unwrap(), "error Function.UnsendableResponse");
}

fn an_address_that_is_none_or_nobodys_is_an_error<T: Transport>() {
    assert!(matches!(T::block_on(Runtime::<T>::connect("nowhere")).map(|_| ()), Err(Error::Send(_))));
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap();
    assert!(matches!(T::block_on(Runtime::<T>::connect(&port.to_string())).map(|_| ()), Err(Error::Transport(_))));
}
