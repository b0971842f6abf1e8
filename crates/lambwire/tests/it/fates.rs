//! What becomes of the actions of a session, and what comes of a turn then.

use std::error;
use std::fmt;
use std::time::Duration;

use lambwire::limits::BACK_OFF;
use lambwire::{Action, Body, Error, Pipelining, Reply, Request, RequestKind, Session, Turn};

use crate::cuts::plain_request;

pub(crate) const EVENT: &[u8] = b"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: id\r\nContent-Length: 2\r\n\r\n{}";
pub(crate) const ACCEPTED: &[u8] = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";
pub(crate) const REPEATED: &[u8] = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
pub(crate) const TOO_LARGE: &[u8] = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n";
pub(crate) const NOTHING: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";
pub(crate) const BODY: &[u8] = b"answer";

/// What becomes of an action.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fate {
    /// A connection comes about.
    Opens,
    /// Nobody listens.
    Fails,
    /// All that was to be written is.
    Goes,
    /// So many bytes are written, and the connection is lost.
    Cut(usize),
    /// So many bytes are written, and there is something to read.
    Stops(usize),
    /// These bytes come.
    Comes(&'static [u8]),
    /// The connection comes to its end.
    Ends,
    /// The connection is lost.
    Breaks,
    /// A wait, of this length.
    Waits(Duration),
}

pub(crate) use Fate::*;

/// What a transport says.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) &'static str);

impl error::Error for Failure {}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Takes a turn to its end, as fate has it.
#[track_caller]
pub(crate) fn drive(turn: &mut Turn<'_, '_, Vec<u8>, Failure>, fates: &[Fate]) {
    advance(turn, fates);
    grow(turn);
    assert_eq!(turn.poll(), Action::Done);
}

/// Takes a turn as far as these fates go.
#[track_caller]
pub(crate) fn advance(turn: &mut Turn<'_, '_, Vec<u8>, Failure>, fates: &[Fate]) {
    for &fate in fates {
        grow(turn);
        match (turn.poll(), fate) {
            (Action::Connect(_), Opens) => turn.connected(Ok(())),
            (Action::Connect(_), Fails) => turn.connected(Err(Failure("nobody"))),
            (Action::Sleep(pause), Waits(expected)) => {
                assert_eq!(pause, expected);
                turn.slept();
            }
            (Action::Write(parts), Goes) => {
                let len = parts.concat().len();
                turn.written(Ok(Some(len)));
            }
            (Action::Write(_), Cut(written)) => {
                if written > 0 {
                    turn.written(Ok(Some(written)));
                }
                turn.written(Err(Failure("cut")));
            }
            (Action::Write(_), Stops(written)) => {
                turn.written(Ok(Some(written)));
                turn.written(Ok(None));
            }
            (Action::Read(space), Comes(bytes)) => {
                space[..bytes.len()].copy_from_slice(bytes);
                turn.read(Ok(bytes.len()));
            }
            (Action::Read(_), Ends) => turn.read(Ok(0)),
            (Action::Read(_), Breaks) => turn.read(Err(Failure("broken"))),
            (action, fate) => panic!("{action:?}, not {fate:?}"),
        }
    }
}

/// Makes the buffer as long as a turn wants it.
fn grow(turn: &mut Turn<'_, '_, Vec<u8>, Failure>) {
    while let Action::Grow(total) = turn.poll() {
        let buf = turn.buffer();
        assert!(total > buf.len());
        buf.resize(total, 0);
    }
}

/// The end of a turn in a line.
pub(crate) fn end(turn: Turn<'_, '_, Vec<u8>, Failure>) -> String {
    match turn.finish() {
        Ok(message) => said(&message.head),
        Err(error) => text(error),
    }
}

/// An error of a turn with its causes.
pub(crate) fn text(error: Error<Option<Failure>, &[u8]>) -> String {
    format!("{:#}", error.map(|failure| failure.unwrap_or(Failure("silent")), <[u8]>::to_vec))
}

/// Carries out a request to its end, as fate has it, and compares that end in a line.
#[track_caller]
pub(crate) fn check(session: &mut Session, request: &Request<'_>, fates: &[Fate], expected: &str) {
    let (mut heads, mut buf) = ([0; 512], Vec::new());
    let mut turn = if *request == Request::Next {
        session.start_next(&mut heads).unwrap();
        session.turn_next(&heads, &[], &mut buf).unwrap()
    } else {
        session.start(request, Body::Exact(BODY.len() as u64), Pipelining::Off, &mut heads).unwrap();
        session.turn(&heads, BODY, &mut buf).unwrap()
    };
    drive(&mut turn, fates);
    assert_eq!(end(turn), expected);
}

/// A turn that takes a response, and maybe the `next` behind it.
pub(crate) fn responding<'s, 'b>(
    session: &'s mut Session,
    pipelining: Pipelining,
    heads: &'s mut [u8],
    buf: &'b mut Vec<u8>,
) -> Turn<'s, 'b, Vec<u8>, Failure> {
    let body = Body::Exact(BODY.len() as u64);
    session.start(&plain_request(RequestKind::Response), body, pipelining, heads).unwrap();
    session.turn(heads, BODY, buf).unwrap()
}

fn said(reply: &Reply<'_>) -> String {
    match reply {
        Reply::Invocation(context) => format!("invocation {}", context.request_id),
        reply => format!("{reply:?}"),
    }
}

#[track_caller]
pub(crate) fn check_new(kind: RequestKind, fates: &[Fate], expected: &str) {
    check(&mut session(), &plain_request(kind), fates, expected);
}

pub(crate) fn session() -> Session {
    Session::new("127.0.0.1:9001").unwrap()
}

pub(crate) fn after(try_number: usize) -> Fate {
    Waits(BACK_OFF[try_number])
}
