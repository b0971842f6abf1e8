//! A connection: two directions, the API's end, and what the runtime may still do with its own.

use crate::api::{ApiEnd, Said};
use crate::faults::Faults;
use crate::pipe::{End, Pipe};
use crate::retry_oracle::Came;
use crate::scene::Scene;

/// A connection from the runtime to the API.
pub(crate) struct Connection {
    up: Pipe,
    down: Pipe,
    api: ApiEnd,
    /// Most bytes that are taken from the runtime before the API has read them, unless there are many more.
    room: usize,
    /// Why the runtime may write no more.
    spent: Option<&'static str>,
    /// The runtime has read the end, or an error.
    is_read_out: bool,
}

/// The connection is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Broken;

impl Connection {
    pub(crate) fn new(faults: &mut Faults) -> Self {
        let room = if faults.one_of(3) { 1 + faults.up_to(2000) } else { usize::MAX };
        Self {
            up: Pipe::default(),
            down: Pipe::default(),
            api: ApiEnd::default(),
            room,
            spent: None,
            is_read_out: false,
        }
    }

    /// Lets something happen, if anything can.
    pub(crate) fn go_on(&mut self, scene: &mut Scene) -> bool {
        let first = scene.faults.up_to(2);
        (first..first + 3).any(|turn| match turn % 3 {
            0 => arrive(&mut self.up, &mut scene.faults),
            1 => arrive(&mut self.down, &mut scene.faults),
            _ if self.api.can_work(&self.up, scene) => {
                self.api.work(&mut self.up, &mut self.down, scene);
                true
            }
            _ => false,
        })
    }

    /// When something will happen, if nothing can now.
    pub(crate) fn timer_ms(&self, scene: &mut Scene) -> Option<u64> {
        self.api.timer_ms(scene)
    }

    /// Nothing can happen here any more, and the runtime has left.
    pub(crate) fn is_over(&self) -> bool {
        self.api.is_gone
    }

    /// What the API said last.
    pub(crate) fn said(&self) -> Said {
        self.api.said
    }

    /// What has come back since the runtime had read so much.
    pub(crate) fn came_since(&self, read: u64) -> Came {
        match self.down.read {
            now if now == read => Came::Nothing,
            now if now <= self.api.last_hint => Came::Hint,
            _ => Came::Part,
        }
    }

    /// Bytes that the runtime has read.
    pub(crate) fn read_bytes(&self) -> u64 {
        self.down.read
    }

    /// Nothing is left between the ends, unless the connection is of no more use.
    pub(crate) fn is_tidy(&self) -> bool {
        let is_tidy = self.up.len() == 0 && self.down.len() == 0 && self.api.is_between_requests();
        is_tidy || self.spent.is_some() || self.up.is_ended() || self.api.is_gone
    }

    /// Why the runtime may write no more.
    pub(crate) fn spent(&self) -> Option<&'static str> {
        self.spent
    }

    /// There is something to read for the runtime.
    pub(crate) fn is_readable(&self) -> bool {
        self.down.arrived() > 0 || self.down.reached_end().is_some()
    }

    /// Reads what there is: 0 bytes at the end.
    pub(crate) fn read(&mut self, space: &mut [u8], faults: &mut Faults) -> Result<usize, Broken> {
        assert!(!space.is_empty(), "a read into nothing");
        assert!(!self.is_read_out, "a read behind the end");
        if let Some(end) = self.down.reached_end() {
            self.is_read_out = true;
            self.spent.get_or_insert("it has come to its end");
            return if end == End::Reset { Err(Broken) } else { Ok(0) };
        }
        let len = faults.cut(self.down.arrived().min(space.len()));
        self.down.read(&mut space[..len]);
        if self.api.last_byte.is_some_and(|last_byte| last_byte <= self.down.read) {
            self.spent = Some("the API has said that it closes");
        }
        Ok(len)
    }

    /// Writes as much as is taken; nothing, if that has to wait.
    pub(crate) fn write(&mut self, bytes: &[u8], faults: &mut Faults) -> Result<usize, Broken> {
        assert!(self.spent.is_none(), "a write, though {}", self.spent.unwrap_or_default());
        if !self.up.is_ended() && !self.api.is_gone {
            let room = self.room.max(bytes.len() / 8);
            let len = bytes.len().min(room.saturating_sub(self.up.len()));
            self.up.send(&bytes[..len]);
            return Ok(len);
        }
        // Whether it is known already that nobody is there, is a matter of luck.
        if faults.coin() {
            self.spend("a write was cut off");
            return Err(Broken);
        }
        Ok(faults.cut(bytes.len()))
    }

    /// The runtime may write no more.
    pub(crate) fn spend(&mut self, why: &'static str) {
        self.spent = Some(why);
    }

    /// The connection is lost between the ends.
    pub(crate) fn break_off(&mut self, faults: &mut Faults) {
        for pipe in [&mut self.up, &mut self.down] {
            let end = if faults.coin() { End::Closed } else { End::Reset };
            pipe.lose(faults.up_to(pipe.len()), end);
        }
    }

    /// The API's end disappears, with all that it knew.
    pub(crate) fn lose_the_api(&mut self, faults: &mut Faults) {
        self.break_off(faults);
        self.api.is_gone = true;
    }

    /// The runtime closes its end. What it has written may arrive.
    pub(crate) fn hang_up(&mut self, faults: &mut Faults) {
        self.down.lose(0, End::Reset);
        if faults.coin() {
            self.up.end(End::Closed);
        } else {
            self.up.lose(faults.up_to(self.up.len()), End::Reset);
        }
    }
}

fn arrive(pipe: &mut Pipe, faults: &mut Faults) -> bool {
    let len = pipe.under_way();
    if len == 0 {
        return false;
    }
    pipe.arrive(faults.cut(len));
    true
}
