//! What lambwire-smol adds: pieces from streams.

use std::task::Poll;

use lambwire_smol::Response;
use lambwire_smol::lambwire::Prelude;
use smol::stream::{self, StreamExt};

use crate::over_smol::serve::{failure, streams_are_sent_in_pieces_and_end_as_their_pieces_do};

#[test]
fn streams_come_from_streams() {
    streams_are_sent_in_pieces_and_end_as_their_pieces_do(|event| {
        let mut pieces = stream::iter(event.chunks(2)).map(|piece| Ok(piece.to_vec()));
        Ok(match event {
            b"http" => Response::stream_http(&Prelude::new(201), Box::pin(pieces))?,
            b"fail" => {
                Response::stream("a/b", Box::pin(stream::iter([Ok(b"part".to_vec()), Err(failure("on the way"))])))
            }
            b"panic" => Response::stream(
                "a/b",
                Box::pin(stream::poll_fn(move |cx| match pieces.poll_next(cx) {
                    Poll::Ready(None) => panic!("no more"),
                    polled => polled,
                })),
            ),
            b"unsendable" => Response::stream("a\nb", Box::pin(pieces)),
            _ => Response::stream("a/b", Box::pin(pieces)),
        })
    });
}
