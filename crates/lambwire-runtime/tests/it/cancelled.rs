//! Futures that are dropped half way: what comes next has a new connection, and half a message is never a whole one.

use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use lambwire_smol::lambwire::{ApiError, Context, Error, SendError};
use lambwire_smol::{Handling, Response, Runtime};
use smol::future::{or, poll_once};
use smol::stream::once;
use smol::{Timer, block_on};

use crate::over_smol::with_peer;
use crate::peer::Peer;

/// A body that no socket takes whole, in bytes, unless the other end reads.
const LARGE: usize = 6 << 20;

#[test]
fn a_next_that_was_dropped_is_asked_on_a_new_connection() {
    let (mut runtime, peer) = with_peer(|listener| {
        let mut peer = Peer::accept(listener);
        assert_eq!(peer.request().0, "next");
        peer.closed();
        Peer::accept(listener).invoke(b"anew");
    });
    let mut buf = Vec::new();
    assert!(block_on(poll_once(runtime.next(&mut buf))).is_none());
    assert_eq!(block_on(runtime.next(&mut buf)).unwrap().payload, b"anew");
    peer.join().unwrap();
}

#[test]
fn half_an_event_is_dropped_with_its_connection() {
    let (half_sent, is_half_sent) = channel();
    let (mut runtime, peer) = with_peer(move |listener| {
        let mut peer = Peer::accept(listener);
        peer.request();
        peer.write(b"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: a\r\nContent-Length: 9\r\n\r\nhalf");
        half_sent.send(()).unwrap();
        peer.closed();
        Peer::accept(listener).invoke(b"anew");
    });
    let mut buf = Vec::new();
    let half = async {
        smol::unblock(move || is_half_sent.recv()).await.unwrap();
        Timer::after(Duration::from_millis(10)).await;
        false
    };
    assert!(!block_on(or(async { runtime.next(&mut buf).await.is_ok() }, half)));
    assert_eq!(block_on(runtime.next(&mut buf)).unwrap().payload, b"anew");
    peer.join().unwrap();
}

/// A Runtime API that does not read the answer before it may, and returns how much of it came.
fn with_peer_that_waits() -> (Runtime, Sender<()>, JoinHandle<usize>) {
    let (dropped, is_dropped) = channel();
    let (runtime, peer) = with_peer(move |listener| {
        let mut peer = Peer::accept(listener);
        peer.invoke(b"{}");
        is_dropped.recv().unwrap();
        let sent = peer.read_rest();
        Peer::accept(listener).invoke(b"anew");
        sent
    });
    (runtime, dropped, peer)
}

#[test]
fn half_an_answer_is_cut_off() {
    let (mut runtime, dropped, peer) = with_peer_that_waits();
    let mut buf = Vec::new();
    let body = vec![b'x'; LARGE];
    let invocation = block_on(runtime.next(&mut buf)).unwrap();
    assert!(block_on(poll_once(invocation.respond(body.as_slice()))).is_none());
    dropped.send(()).unwrap();
    assert_eq!(block_on(runtime.next(&mut buf)).unwrap().payload, b"anew");
    let sent = peer.join().unwrap();
    assert!((1..LARGE).contains(&sent), "{sent}");
}

#[test]
fn an_answer_whose_verdict_was_not_awaited_leaves_no_reply_to_the_next() {
    let (mut runtime, peer) = with_peer(|listener| {
        let mut peer = Peer::accept(listener);
        peer.invoke(b"{}");
        let answer = peer.request();
        peer.closed();
        Peer::accept(listener).invoke(b"anew");
        answer.1
    });
    let mut buf = Vec::new();
    let invocation = block_on(runtime.next(&mut buf)).unwrap();
    assert!(block_on(poll_once(invocation.respond(b"whole"))).is_none());
    assert_eq!(block_on(runtime.next(&mut buf)).unwrap().payload, b"anew");
    assert_eq!(peer.join().unwrap(), b"whole");
}

#[test]
fn nothing_is_sent_behind_half_a_piece_of_a_stream() {
    let (mut runtime, dropped, peer) = with_peer_that_waits();
    let mut buf = Vec::new();
    let body = vec![b'x'; LARGE];
    let mut stream = block_on(runtime.next(&mut buf)).unwrap().stream("text/plain");
    assert!(block_on(poll_once(stream.write(&body))).is_none());
    dropped.send(()).unwrap();
    for result in [block_on(poll_once(stream.write(b"more"))), block_on(poll_once(stream.finish()))] {
        assert!(matches!(result, Some(Err(Error::Send { error: SendError::Closed, .. }))));
    }
    assert_eq!(block_on(runtime.next(&mut buf)).unwrap().payload, b"anew");
    let sent = peer.join().unwrap();
    assert!((1..LARGE).contains(&sent), "{sent}");
}

#[test]
fn a_stream_that_was_dropped_is_cut_off() {
    let (mut runtime, peer) = with_peer(|listener| {
        let mut peer = Peer::accept(listener);
        peer.invoke(b"{}");
        let sent = peer.read_rest();
        assert!(sent > 0);
        Peer::accept(listener).invoke(b"anew");
    });
    let mut buf = Vec::new();
    let mut stream = block_on(runtime.next(&mut buf)).unwrap().stream("text/plain");
    block_on(stream.write(b"part")).unwrap();
    drop(stream);
    assert_eq!(block_on(runtime.next(&mut buf)).unwrap().payload, b"anew");
    peer.join().unwrap();
}

#[test]
fn futures_may_move_to_another_thread() {
    fn check(_: impl Send) {}
    async fn serve(api: &str) -> Result<(), lambwire_smol::Error> {
        let mut runtime = Runtime::connect(api).await?;
        let mut buf = Vec::new();
        runtime.next(&mut buf).await?.respond(b"{}").await?;
        runtime.next(&mut buf).await?.stream("text/plain").finish().await
    }
    check(serve("never asked"));
}

#[test]
fn serve_runs_on_another_thread() {
    let (mut runtime, peer) = with_peer(|listener| {
        let mut peer = Peer::accept(listener);
        let answers = ["moved", "streamed"].map(|event| {
            peer.invoke(event.as_bytes());
            peer.take_answer().1
        });
        peer.refuse(ApiError::InternalServerError);
        answers
    });
    let served = smol::spawn(async move { runtime.serve_send(handle, |_, error| panic!("{error}")).await });
    assert!(block_on(served).is_fatal());
    assert_eq!(peer.join().unwrap(), ["moved", "streamed"].map(|event| event.as_bytes().to_vec()));
}

fn handle<'e>(event: &'e [u8], _: &Context<'e>) -> Handling<'e> {
    Box::pin(async move {
        smol::future::yield_now().await;
        Ok(match event {
            b"streamed" => Response::stream("a/b", Box::pin(once(Ok(event.to_vec())))),
            event => event.into(),
        })
    })
}
