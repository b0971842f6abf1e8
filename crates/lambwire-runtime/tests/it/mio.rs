//! What lambwire-mio adds: calls that block, and pieces from iterators.

use std::cell::RefCell;

use lambwire_mio::lambwire::{ApiError, ErrorReport, Pipelining, Prelude};
use lambwire_mio::{Response, Runtime};

use crate::over_mio::serve::{failure, streams_are_sent_in_pieces_and_end_as_their_pieces_do};
use crate::peer::{Peer, with_script};

#[test]
fn every_call_blocks_until_it_is_done() {
    let (api, peer) = with_script(|listener| {
        let mut peer = Peer::accept(listener);
        let answers = ["json", "text", "fail", "stream", "http", "broken", "served"].map(|event| {
            peer.invoke(event.as_bytes());
            peer.take_answer().0
        });
        peer.refuse(ApiError::InternalServerError);
        assert_eq!(peer.take_answer().0, "init error T");
        answers
    });
    let mut runtime = Runtime::connect(&api).unwrap();
    let mut buf = Vec::new();
    let report = ErrorReport::new("T", "m");
    runtime.next(&mut buf).unwrap().respond(b"{}").unwrap();
    runtime.next(&mut buf).unwrap().respond(Response::new("a/b", b"c")).unwrap();
    runtime.next(&mut buf).unwrap().fail(&report).unwrap();
    let mut stream = runtime.next(&mut buf).unwrap().stream("a/b");
    stream.write(b"c").unwrap();
    stream.finish().unwrap();
    runtime.next(&mut buf).unwrap().stream_http(&Prelude::new(201)).unwrap().finish().unwrap();
    let mut stream = runtime.next(&mut buf).unwrap().stream("a/b");
    stream.write(b"c").unwrap();
    stream.fail(&report).unwrap();
    runtime.pipelining = Pipelining::Off;
    let mut served = Vec::new();
    let handler = |event: &[u8]| served.push(event.to_vec());
    let error = handle_all(&mut runtime, handler);
    assert!(error.starts_with("next refused with status 500"), "{error}");
    assert_eq!(served, [b"served"]);
    runtime.init_error(&report).unwrap();
    let [json, text, fail, stream, http, broken, served] = peer.join().unwrap();
    assert_eq!([&json, &served], ["response Buffered application/json"; 2]);
    assert_eq!([&text, &fail, &stream], ["response Buffered a/b", "error T", "response Streaming a/b"]);
    assert_eq!(http, "response Streaming application/vnd.awslambda.http-integration-response");
    assert!(broken.starts_with("response Streaming a/b T {"), "{broken}");
}

#[test]
fn who_is_to_end_hears_before_a_read_whether_an_event_has_begun_to_come() {
    thread_local! {
        static HEARD: RefCell<Vec<bool>> = const { RefCell::new(Vec::new()) };
    }
    // More than is read at once.
    let event = vec![b'1'; 1 << 20];
    let sent = event.clone();
    let (api, peer) = with_script(move |listener| {
        let mut peer = Peer::accept(listener);
        peer.invoke(&sent);
        peer.take_answer().0
    });
    let mut runtime = Runtime::connect(&api).unwrap();
    runtime.on_read = |has_begun| HEARD.with_borrow_mut(|heard| heard.push(has_begun));
    let mut buf = Vec::new();
    let invocation = runtime.next(&mut buf).unwrap();
    assert_eq!(invocation.payload, event);
    invocation.respond(b"{}").unwrap();
    assert_eq!(peer.join().unwrap(), "response Buffered application/json");
    HEARD.with_borrow(|heard| {
        assert!(heard.len() > 1 && !heard[0] && heard[1..].iter().all(|begun| *begun), "{heard:?}")
    });
}

fn handle_all(runtime: &mut Runtime, mut handler: impl FnMut(&[u8])) -> String {
    let error = runtime.serve(|event, _| {
        handler(event);
        Ok(event.into())
    });
    error.to_string()
}

#[test]
fn streams_come_from_iterators() {
    streams_are_sent_in_pieces_and_end_as_their_pieces_do(|event| {
        let mut pieces = event.chunks(2).map(|piece| Ok(piece.to_vec()));
        Ok(match event {
            b"http" => Response::stream_http(&Prelude::new(201), Box::new(pieces))?,
            b"fail" => {
                Response::stream("a/b", Box::new([Ok(b"part".to_vec()), Err(failure("on the way"))].into_iter()))
            }
            b"panic" => Response::stream(
                "a/b",
                Box::new(std::iter::from_fn(move || Some(pieces.next().unwrap_or_else(|| panic!("no more"))))),
            ),
            b"unsendable" => Response::stream("a\nb", Box::new(pieces)),
            _ => Response::stream("a/b", Box::new(pieces)),
        })
    });
}
