//! The runtime's end: requests of a [`lambwire::Session`], and what came of them.

use lambwire::{Body, Client, Error, Message, Pipelining, ReceiveError, Reply, Request, SendError, Session, Turn};

use crate::adapter::{Attempt, Drove};
use crate::api::Said;
use crate::connection::{Broken, Connection};
use crate::retry_oracle::{Kind, RetryOracle};
use crate::stats::Count;
use crate::world::World;

/// A process that asks for invocations and answers them.
pub(crate) struct Runtime<'w> {
    pub(crate) world: &'w mut World,
    session: Session,
    /// Room for heads, and for the end of a stream.
    heads: [u8; HEAD_BYTES],
    out: [u8; HEAD_BYTES],
    /// Room for replies other than invocations.
    reply: Vec<u8>,
    /// Length of the head of `next`.
    next_len: usize,
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It was taken, maybe at an earlier try.
    Done {
        is_repeat: bool,
        /// What the reply says; `None` if it was a refusal.
        body: Option<Vec<u8>>,
    },
    Refused {
        status: u16,
        is_fatal: bool,
    },
    Lost,
}

const HEAD_BYTES: usize = 1024;
const API: &str = "127.0.0.1:9001";

impl<'w> Runtime<'w> {
    pub(crate) fn new(world: &'w mut World) -> Self {
        let session = Session::new(API).expect("an address");
        let mut heads = [0; HEAD_BYTES];
        let mut client = Client::new(API).expect("an address");
        let next_len = client.send(&Request::Next, Body::Exact(0), &mut heads).expect("room");
        Self { world, session, heads, out: [0; HEAD_BYTES], reply: Vec::new(), next_len }
    }

    /// Asks for an invocation, unless that was pipelined, and again if that was given up.
    pub(crate) fn ask<'b>(&mut self, mut buf: &'b mut Vec<u8>) -> Result<Message<'b, Reply<'b>>, Ended> {
        loop {
            self.session.start_next(&mut self.heads).expect("room");
            let mut turn = self.session.turn_next(&self.heads, &self.reply, buf).expect("it was started");
            let mut attempt = Attempt::new(Kind::Next, 0);
            match attempt.drive(self.world, &mut turn) {
                Drove::ToTheEnd => {
                    return turn.finish().map_err(|error| failed(self.world, &attempt.retries, &error));
                }
                Drove::HalfWay => buf = turn.into_buffer(),
            }
        }
    }

    /// Answers with all bytes at once, and pipelines `next` behind them if that is wanted.
    pub(crate) fn answer(
        &mut self,
        request: &Request<'_>,
        body: &[u8],
        pipelining: Pipelining,
    ) -> Result<Ended, SendError> {
        self.session.start(request, Body::Exact(body.len() as u64), pipelining, &mut self.heads)?;
        let turn = self.session.turn(&self.heads, body, &mut self.reply)?;
        self.world.scene.log(|| format!("runtime: {} of {} bytes", request.kind(), body.len()));
        let is_pipelined = pipelining == Pipelining::Next;
        self.world.scene.stats[Count::Pipelined] += u64::from(is_pipelined);
        let attempt = Attempt::new(Kind::Answer, if is_pipelined { self.next_len } else { 0 });
        Ok(conclude(self.world, turn, attempt))
    }

    /// Answers piece by piece. Without an end, the stream is dropped behind the body.
    pub(crate) fn stream(&mut self, request: &Request<'_>, body: &[u8], finish: Option<Finish<'_>>) -> Ended {
        self.session.start(request, Body::Chunked, Pipelining::Off, &mut self.heads).expect("room");
        self.world.scene.log(|| format!("runtime: streams {} bytes", body.len()));
        let mut attempt = Attempt::new(Kind::Stream, 0);
        let mut rest = body;
        // A stream of which nothing was sent leaves no trace when it is dropped.
        let mut has_to_begin = finish.is_none();
        while std::mem::take(&mut has_to_begin) || !rest.is_empty() {
            let (piece, behind) = rest.split_at(self.world.scene.faults.up_to(rest.len()));
            let mut turn = self.session.turn(&self.heads, piece, &mut self.reply).expect("a piece is due");
            if let Drove::HalfWay = attempt.drive(self.world, &mut turn) {
                return Ended::Lost;
            }
            if let Err(error) = turn.accepted() {
                return failed(self.world, &attempt.retries, &error);
            }
            rest = behind;
            self.world.idle();
        }
        let Some(finish) = finish else {
            self.world.spend("a stream was dropped");
            return Ended::Lost;
        };
        let len = self.session.finish(finish, &mut self.out).expect("room");
        attempt.end_stream();
        let turn = self.session.turn(&self.heads, &self.out[..len], &mut self.reply).expect("an end is due");
        conclude(self.world, turn, attempt)
    }

    /// What the API said last on this connection.
    pub(crate) fn said(&self) -> Said {
        said(self.world)
    }

    /// Nothing is left between the ends, once nothing is due.
    pub(crate) fn judge_tidiness(&self) {
        let is_tidy = self.world.connection().is_none_or(Connection::is_tidy);
        assert!(is_tidy, "bytes are left between the ends");
    }
}

/// What a stream ends with: the type of an error and its report, if there was one.
pub(crate) type Finish<'f> = Option<(&'f str, &'f [u8])>;

fn said(world: &World) -> Said {
    world.connection().map_or(Said::Nothing, Connection::said)
}

/// Takes a turn to its end, and says what came of it.
fn conclude(world: &mut World, mut turn: Turn<'_, '_, Vec<u8>, Broken>, mut attempt: Attempt) -> Ended {
    if let Drove::HalfWay = attempt.drive(world, &mut turn) {
        return Ended::Lost;
    }
    let is_repeat = attempt.retries.is_repeat();
    match turn.finish() {
        Ok(Message { head: Reply::Accepted, body, .. }) => Ended::Done { is_repeat, body: Some(body.to_vec()) },
        Ok(Message { head: Reply::Rejected { .. }, .. }) => Ended::Done { is_repeat, body: None },
        Ok(message) => unreachable!("{message:?}"),
        Err(error) => failed(world, &attempt.retries, &error),
    }
}

fn failed(world: &World, retries: &RetryOracle, error: &Error<Option<Broken>, &[u8]>) -> Ended {
    match error {
        Error::Rejected(rejection) => {
            return Ended::Refused { status: rejection.status(), is_fatal: rejection.is_fatal() };
        }
        Error::Receive { error, .. } if !matches!(error, ReceiveError::NoReply | ReceiveError::CutShort) => {
            assert_eq!(said(world), Said::Garbage, "{error}");
        }
        Error::Receive { .. } | Error::Transport { .. } => retries.judge_loss(),
        error => unreachable!("{error:?}"),
    }
    world.scene.log(|| format!("runtime: gives up, {error:?}"));
    Ended::Lost
}
