//! What lambwire-smol adds: pieces from streams.

use std::task::Poll;

use lambwire_smol::lambwire::Prelude;
use lambwire_smol::{Answer, Transport};
use smol::stream::{self, StreamExt};

use crate::serve::{failure, streams_are_sent_in_pieces_and_end_as_their_pieces_do};

#[test]
fn streams_come_from_streams() {
    streams_are_sent_in_pieces_and_end_as_their_pieces_do::<Transport>(|event| {
        let mut pieces = stream::iter(event.chunks(2)).map(|piece| Ok(piece.to_vec()));
        Ok(match event {
            b"http" => Answer::stream_http(&Prelude::new(201), pieces)?,
            b"fail" => Answer::stream("a/b", stream::iter([Ok(b"part".to_vec()), Err(failure("on the way"))])),
            b"panic" => Answer::stream(
                "a/b",
                stream::poll_fn(move |cx| match pieces.poll_next(cx) {
                    Poll::Ready(None) => panic!("no more"),
                    polled => polled,
                }),
            ),
            b"unsendable" => Answer::stream("a\nb", pieces),
            _ => Answer::stream("a/b", pieces),
        })
    });
}
