//! An adapter for connections of the [`World`], which knows what the session may ask of it.

use lambwire::{Action, Turn};

use crate::api::Said;
use crate::connection::{Broken, Connection};
use crate::faults::Harm;
use crate::retry_oracle::{Kind, RetryOracle, Sent};
use crate::stats::Count;
use crate::world::World;

/// One request, at all its retries.
pub(crate) struct Attempt {
    pub(crate) retries: RetryOracle,
    /// Length of the `next` that is pipelined.
    next_len: usize,
    /// Bytes of this try, without that `next`, that are still to be written; `None` before its first write.
    left: Option<usize>,
    /// Something of this try was written.
    is_begun: bool,
    /// What is written now is not the end of the request.
    is_part: bool,
    /// Bytes that had been read from the connection when the try began.
    read_before: u64,
}

/// How far a turn was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drove {
    ToTheEnd,
    /// It was given up, as a future is that is dropped.
    HalfWay,
}

impl Attempt {
    pub(crate) fn new(kind: Kind, next_len: usize) -> Self {
        let is_part = kind == Kind::Stream;
        Self { retries: RetryOracle::new(kind), next_len, left: None, is_begun: false, is_part, read_before: 0 }
    }

    /// What is written next ends the stream.
    pub(crate) fn end_stream(&mut self) {
        self.is_part = false;
    }

    pub(crate) fn drive(&mut self, world: &mut World, turn: &mut Turn<'_, '_, Vec<u8>, Broken>) -> Drove {
        // Each piece of a stream is counted anew.
        self.left = None;
        loop {
            world.idle();
            let action = turn.poll();
            if action != Action::Done && world.scene.faults.does(Harm::GivenUp) {
                world.scene.log(|| "runtime: gives a turn up".into());
                world.spend("a turn was given up");
                return Drove::HalfWay;
            }
            match action {
                Action::Done => return Drove::ToTheEnd,
                Action::Connect(_) => self.connect(world, turn),
                Action::Write(parts) => {
                    let total = parts.iter().map(|part| part.len()).sum();
                    self.begin_try(world, total);
                    let written = world.write(parts);
                    self.write(written.as_ref().map_or(0, |len| len.unwrap_or(0)));
                    turn.written(written);
                }
                Action::Read(space) => {
                    let read = world.read(space);
                    if matches!(read, Ok(0) | Err(_)) {
                        let connection = world.connection().expect("what was read from");
                        self.fail(connection, world.scene.now_ms);
                    }
                    turn.read(read);
                }
                Action::Grow(total) => {
                    let buf = turn.buffer();
                    assert!(total > buf.len(), "a buffer of {} bytes grows to {total}", buf.len());
                    buf.resize(total, 0);
                }
                Action::Sleep(pause) => {
                    if !self.retries.is_lost() {
                        let said = world.connection().map_or(Said::Nothing, Connection::said);
                        assert_eq!(said, Said::NothingYet, "a pause without a reason");
                        self.retries.nothing_yet(world.scene.now_ms);
                        (self.left, self.is_begun) = (None, false);
                    }
                    world.sleep(pause);
                    turn.slept();
                }
            }
        }
    }

    fn connect(&mut self, world: &mut World, turn: &mut Turn<'_, '_, Vec<u8>, Broken>) {
        self.retries.judge_try(world.scene.now_ms);
        if let Some(connection) = world.connection() {
            let is_of_use = connection.spent().is_none() && connection.said() != Said::Garbage;
            assert!(!is_of_use, "a connection is left that is of use");
        }
        world.hang_up();
        let connected = world.connect();
        if connected.is_err() {
            self.retries.nobody(world.scene.now_ms);
        }
        turn.connected(connected);
    }

    /// Before the first write of a try.
    fn begin_try(&mut self, world: &mut World, total: usize) {
        if self.left.is_some() {
            return;
        }
        self.left = Some(total - self.next_len);
        if !self.is_begun {
            self.retries.judge_try(world.scene.now_ms);
            world.scene.stats[Count::Repeats] += u64::from(self.retries.is_repeat());
            self.read_before = world.connection().map_or(0, Connection::read_bytes);
        }
    }

    fn write(&mut self, len: usize) {
        let left = self.left.unwrap_or_default().saturating_sub(len);
        self.left = Some(left);
        self.is_begun |= len > 0;
        self.retries.sent(match left {
            0 if !self.is_part => Sent::All,
            _ if self.is_begun => Sent::Part,
            _ => Sent::Nothing,
        });
    }

    fn fail(&mut self, connection: &Connection, now_ms: u64) {
        self.retries.fail(connection.came_since(self.read_before), now_ms);
        (self.left, self.is_begun) = (None, false);
    }
}
