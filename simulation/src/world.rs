//! The one scheduler: what happens between two acts of the runtime.

use std::time::Duration;

use crate::connection::{Broken, Connection};
use crate::faults::{HARMS, Harm};
use crate::scene::Scene;
use crate::stats::Count;

/// Most steps of a run. Those of the longest messages, a few bytes at a time, take fewer.
const STEPS: u64 = 100_000;

/// Everything around the runtime.
pub(crate) struct World {
    pub(crate) scene: Scene,
    connection: Option<Connection>,
    /// Connections that the runtime has left, and on which something may arrive.
    left: Vec<Connection>,
    /// The API takes no connection before.
    closed_until_ms: u64,
}

impl World {
    pub(crate) fn new(scene: Scene) -> Self {
        Self { scene, connection: None, left: Vec::new(), closed_until_ms: 0 }
    }

    /// The runtime's connection.
    pub(crate) fn connection(&self) -> Option<&Connection> {
        self.connection.as_ref()
    }

    pub(crate) fn connect(&mut self) -> Result<(), Broken> {
        let Scene { faults, now_ms, stats, .. } = &mut self.scene;
        if *now_ms < self.closed_until_ms || faults.does(Harm::NoConnection) {
            self.scene.log(|| "runtime: gets no connection".into());
            return Err(Broken);
        }
        stats[Count::Connections] += 1;
        self.connection = Some(Connection::new(faults));
        self.scene.log(|| "runtime: connects".into());
        Ok(())
    }

    /// The runtime closes its connection, if it has one.
    pub(crate) fn hang_up(&mut self) {
        if let Some(mut connection) = self.connection.take() {
            connection.hang_up(&mut self.scene.faults);
            self.left.push(connection);
        }
    }

    /// Reads as soon as there is something.
    pub(crate) fn read(&mut self, space: &mut [u8]) -> Result<usize, Broken> {
        loop {
            let connection = self.connection.as_mut().expect("a connection to read from");
            if connection.is_readable() {
                let result = connection.read(space, &mut self.scene.faults);
                self.scene.log(|| format!("runtime: reads {result:?}"));
                return result;
            }
            self.wait();
        }
    }

    /// Writes some of these parts, and returns how much; `None` if there is no room for any, and something to read: the API
    /// is about to refuse the rest.
    pub(crate) fn write(&mut self, parts: [&[u8]; 4]) -> Result<Option<usize>, Broken> {
        let part = parts.into_iter().find(|part| !part.is_empty()).expect("something to write");
        loop {
            let connection = self.connection.as_mut().expect("a connection to write to");
            match connection.write(part, &mut self.scene.faults)? {
                0 if connection.is_readable() => {
                    connection.spend("a write was cut off");
                    return Ok(None);
                }
                0 => self.wait(),
                len => return Ok(Some(len)),
            }
        }
    }

    /// Nothing is to be written to this connection any more.
    pub(crate) fn spend(&mut self, why: &'static str) {
        self.connection.iter_mut().for_each(|connection| connection.spend(why));
    }

    /// Time goes by, of which the rest of the world may make use.
    pub(crate) fn sleep(&mut self, duration: Duration) {
        let until_ms = self.scene.now_ms + u64::try_from(duration.as_millis()).expect("a short time");
        while self.scene.now_ms < until_ms && self.scene.faults.coin() && self.go_on() {}
        self.scene.now_ms = self.scene.now_ms.max(until_ms);
    }

    /// Lets some more happen, or nothing.
    pub(crate) fn idle(&mut self) {
        while self.scene.faults.coin() && self.go_on() {}
    }

    /// All that is under way arrives.
    pub(crate) fn settle(&mut self) {
        while self.go_on() {}
    }

    /// The runtime waits: something has to happen.
    fn wait(&mut self) {
        if self.go_on() {
            return;
        }
        let scene = &mut self.scene;
        let timers = self.connection.iter().chain(&self.left).filter_map(|connection| connection.timer_ms(scene));
        let next_ms = timers.min().filter(|&timer_ms| timer_ms < u64::MAX).expect("the runtime waits for nothing");
        self.scene.now_ms = next_ms;
    }

    /// One step, and whether there was one to be made.
    fn go_on(&mut self) -> bool {
        let steps = &mut self.scene.stats[Count::Steps];
        *steps += 1;
        assert!(*steps < STEPS, "no end after {STEPS} steps");
        self.scene.now_ms += self.scene.faults.up_to_ms(1);
        assert!(self.scene.now_ms < LONGEST_MS, "no end after {LONGEST_MS} ms");
        if let Some(harm) = self.scene.faults.strikes() {
            self.harm(harm);
            return true;
        }
        let count = self.left.len() + usize::from(self.connection.is_some());
        let first = self.scene.faults.up_to(count);
        (first..first + count).any(|turn| self.go_on_with(turn % count))
    }

    fn go_on_with(&mut self, number: usize) -> bool {
        let Some(left) = self.left.get_mut(number) else {
            return self.connection.as_mut().is_some_and(|connection| connection.go_on(&mut self.scene));
        };
        if left.is_over() {
            self.left.swap_remove(number);
            return true;
        }
        left.go_on(&mut self.scene)
    }

    fn harm(&mut self, harm: Harm) {
        self.scene.log(|| format!("{harm:?}"));
        let Scene { faults, now_ms, stats, .. } = &mut self.scene;
        match harm {
            Harm::Freeze => {
                stats[Count::Freezes] += 1;
                *now_ms += faults.up_to_ms(HOUR_MS);
                let connections = self.connection.iter_mut().chain(&mut self.left);
                connections.for_each(|connection| connection.lose_the_api(faults));
            }
            Harm::ClockJump => *now_ms += faults.up_to_ms(HOUR_MS),
            Harm::Outage => self.closed_until_ms = *now_ms + faults.up_to_ms(OUTAGE_MS),
            _ => {
                stats[Count::Cuts] += 1;
                let connections = self.connection.iter_mut().chain(&mut self.left);
                connections.for_each(|connection| connection.break_off(faults));
            }
        }
    }
}

const HOUR_MS: u64 = 3_600_000;

/// Longest run: all harm that there is in one may be an hour each time.
const LONGEST_MS: u64 = (1 + HARMS as u64) * HOUR_MS;

/// Longest time without a connection. All waits between retries take less than two seconds.
const OUTAGE_MS: u64 = 4000;
