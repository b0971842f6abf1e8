//! One worker that answers several events at a time. A thread of its own talks to it; the threads that talk to Lambda hand
//! their events in here, and get what the worker says of each.

use std::collections::VecDeque;
use std::io::{self, PipeReader, PipeWriter, pipe};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::{ioctl_fionbio, write};

use crate::console;
use crate::failure::Failure;
use crate::frame::{Kind, NO_ID};
use crate::outgoing::Outgoing;
use crate::server::Setup;
use crate::shutdown;
use crate::worker::{Said, Step, Worker};

/// How much of an answer may wait for a caller that is slow, in bytes. Then the worker is not listened to, by which it
/// waits, too.
const WAITING_BYTES: usize = 1024 * 1024;

/// How long a worker that says it is about to end may take.
const END_GRACE: Duration = Duration::from_millis(500);

pub(crate) struct Hub {
    desk: Mutex<Desk>,
    /// There is an event.
    arrived: Condvar,
    /// Wakes whoever talks to the worker.
    bell: PipeWriter,
}

#[derive(Default)]
struct Desk {
    /// Events that the worker has not been given.
    coming: VecDeque<Event>,
    /// One for each event that is not answered.
    seats: Vec<Seat>,
}

struct Event {
    id: String,
    /// The frame.
    bytes: Vec<u8>,
}

/// Where somebody waits for an answer.
struct Seat {
    id: String,
    since: Instant,
    deadline: Option<Instant>,
    letters: VecDeque<Letter>,
    waiting_bytes: usize,
    /// No more is to come.
    is_over: bool,
    called: Arc<Condvar>,
}

/// What the worker has said of an event.
enum Letter {
    Said(Kind, Vec<u8>),
    Failed(Failure),
}

/// Whoever waits for the answer to an event.
pub(crate) struct Guest<'a> {
    hub: &'a Hub,
    id: String,
    called: Arc<Condvar>,
    /// What was said last.
    body: Vec<u8>,
}

/// The event that the worker is being given.
struct Sending {
    event: Event,
    sent: usize,
}

impl Hub {
    /// Has a thread talk to the worker, which may have been started.
    pub(crate) fn open(setup: Arc<Setup>, worker: Option<Worker>) -> io::Result<Arc<Self>> {
        let (heard, bell) = pipe()?;
        ioctl_fionbio(&heard, true)?;
        ioctl_fionbio(&bell, true)?;
        let hub = Arc::new(Self { desk: Mutex::default(), arrived: Condvar::new(), bell });
        let this = Arc::clone(&hub);
        thread::Builder::new().spawn(move || this.run(&setup, worker, &Arc::new(heard)))?;
        Ok(hub)
    }

    /// Hands in an event: the frame, and how long its answer may take.
    pub(crate) fn admit(&self, id: &str, bytes: Vec<u8>, deadline: Option<Instant>) -> Result<Guest<'_>, Failure> {
        let mut desk = self.desk();
        if desk.seats.iter().any(|seat| seat.id == id) {
            return Err(Failure::new("Runtime.WorkerLost", "the same event is being answered"));
        }
        let seat = Seat::new(id, deadline);
        let called = Arc::clone(&seat.called);
        desk.seats.push(seat);
        desk.coming.push_back(Event { id: id.to_owned(), bytes });
        drop(desk);
        self.arrived.notify_one();
        self.ring();
        Ok(Guest { hub: self, id: id.to_owned(), called, body: Vec::new() })
    }

    fn run(&self, setup: &Setup, mut started: Option<Worker>, bell: &Arc<PipeReader>) {
        loop {
            let deadline = {
                let waited = self.arrived.wait_while(self.desk(), |desk| desk.coming.is_empty());
                waited.unwrap_or_else(PoisonError::into_inner).deadline()
            };
            let worker = started.take().map_or_else(|| Worker::start(&setup.program, &setup.descriptors), Ok);
            let loaded = worker.and_then(|mut worker| {
                let wishes = worker.load(&setup.program, deadline)?;
                Ok((worker, wishes.concurrency.max(1)))
            });
            match loaded {
                Ok((mut worker, at_most)) => {
                    worker.set_bell(bell);
                    let failure = self.converse(&mut worker, at_most);
                    drop(worker);
                    self.fail_those_given(&failure);
                }
                Err(failure) => {
                    self.desk().coming.clear();
                    self.fail_those_given(&failure);
                    continue;
                }
            }
            if !shutdown::is_ending() {
                started = Worker::start(&setup.program, &setup.descriptors).ok();
            }
        }
    }

    /// Hands events to the worker, and what it says to those who wait. Returns when it is of no more use, and why.
    fn converse(&self, worker: &mut Worker, at_most: usize) -> Failure {
        let mut sending: Option<Sending> = None;
        let mut heard = Instant::now();
        // When it is to have ended, if it is about to.
        let mut end_by: Option<Instant> = None;
        loop {
            let deadline = {
                let mut desk = self.desk();
                if worker.is_deaf() && worker.in_flight() == 0 {
                    return Failure::new("Runtime.WorkerLost", "worker closed its events");
                }
                if worker.in_flight() == 0 && desk.coming.is_empty() && shutdown::is_ending() {
                    worker.close_events();
                }
                let takes_more = end_by.is_none() && !worker.is_deaf() && worker.in_flight() < at_most;
                if sending.is_none() && takes_more {
                    sending = desk.coming.pop_front().map(|event| Sending { event, sent: 0 });
                    if let Some(Sending { event, .. }) = &sending {
                        worker.add(&event.id);
                    }
                }
                worker.listen(!desk.seats.iter().any(Seat::is_full));
                [desk.deadline(), end_by].into_iter().flatten().min()
            };
            let rest = sending.as_ref().and_then(|sending| sending.event.bytes.get(sending.sent..)).unwrap_or_default();
            let sent = sending.as_ref().map_or(0, |sending| sending.sent);
            let mut outgoing = Outgoing { parts: [rest, b""], sent };
            let step = worker.step(&mut outgoing, deadline);
            let left = outgoing.len();
            let (id, kind, said) = match step {
                Err(failure) => return failure,
                Ok(Step::Said(id, kind, said)) => (id, kind, said),
                Ok(Step::Overdue) => match self.expire(worker, heard, end_by) {
                    Some(failure) => return failure,
                    None => continue,
                },
                Ok(Step::Refused) => {
                    // Another worker is to have it, when those that this one has are answered.
                    if let Some(Sending { event, .. }) = sending.take() {
                        worker.remove(&event.id);
                        self.desk().coming.push_front(event);
                    }
                    continue;
                }
                Ok(Step::Nothing) => {
                    sending = sending.and_then(|sending| sending.go_on(left));
                    continue;
                }
            };
            heard = Instant::now();
            let letter = match said {
                Said::Error(failure) if id == NO_ID => {
                    console::say_failure(None, &failure);
                    None
                }
                Said::Error(failure) => Some(Letter::Failed(failure)),
                Said::Ready(_) | Said::Done => return said.out_of_turn(),
                _ if id == NO_ID => return said.out_of_turn(),
                said => Some(Letter::Said(kind, said.body().to_vec())),
            };
            sending = sending.and_then(|sending| sending.go_on(left));
            if let Some(letter) = letter {
                let is_over = !kind.goes_on();
                self.post(&id, letter, is_over);
                if is_over {
                    worker.remove(&id);
                    if sending.as_ref().is_some_and(|sending| sending.event.id == id) {
                        return Failure::new("Runtime.BadFrame", "worker answered an event before it had read it");
                    }
                }
            }
            if kind == Kind::Fatal {
                end_by = Some(Instant::now() + END_GRACE);
            }
        }
    }

    /// Fails events whose time is over. A worker that has said nothing in all the time of one of them is of no more use.
    fn expire(&self, worker: &mut Worker, heard: Instant, end_by: Option<Instant>) -> Option<Failure> {
        let now = Instant::now();
        let is_over = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= now);
        if is_over(end_by) {
            return Some(Failure::new("Runtime.ExitError", "worker has not ended after an error that was to end it"));
        }
        let overdue = Failure::overdue().with_log(&worker.last_lines());
        let mut desk = self.desk();
        let Desk { coming, seats } = &mut *desk;
        let mut is_stuck = false;
        for seat in seats.iter_mut().filter(|seat| !seat.is_over && is_over(seat.deadline)) {
            let was_given = worker.remove(&seat.id);
            coming.retain(|event| event.id != seat.id);
            is_stuck |= was_given && heard < seat.since;
            seat.expire(overdue.clone());
        }
        let message = "worker was ended: it had said nothing in all the time of another event";
        is_stuck.then(|| Failure::new("Runtime.ExitError", message))
    }

    fn post(&self, id: &str, letter: Letter, is_over: bool) {
        if let Some(seat) = self.desk().seats.iter_mut().find(|seat| seat.id == id) {
            seat.put(letter, is_over);
        }
    }

    /// Fails all events that were given to a worker.
    fn fail_those_given(&self, failure: &Failure) {
        let mut desk = self.desk();
        let Desk { coming, seats } = &mut *desk;
        for seat in seats {
            if !seat.is_over && coming.iter().all(|event| event.id != seat.id) {
                seat.put(Letter::Failed(failure.clone()), true);
            }
        }
    }

    fn ring(&self) {
        // Where it is full, it rings.
        let _ = write(&self.bell, b"!");
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk {
    /// When the time of the first of them is over.
    fn deadline(&self) -> Option<Instant> {
        self.seats.iter().filter(|seat| !seat.is_over).filter_map(|seat| seat.deadline).min()
    }
}

impl Seat {
    fn new(id: &str, deadline: Option<Instant>) -> Self {
        Self {
            id: id.to_owned(),
            since: Instant::now(),
            deadline,
            letters: VecDeque::new(),
            waiting_bytes: 0,
            is_over: false,
            called: Arc::new(Condvar::new()),
        }
    }

    /// Whether no more is to be said for now.
    fn is_full(&self) -> bool {
        self.waiting_bytes > WAITING_BYTES
    }

    /// No more of the answer is taken, and the worker is not to wait for that.
    fn expire(&mut self, overdue: Failure) {
        self.letters.clear();
        self.waiting_bytes = 0;
        self.put(Letter::Failed(overdue), true);
    }

    fn put(&mut self, letter: Letter, is_over: bool) {
        self.waiting_bytes += letter.len();
        self.is_over |= is_over;
        self.letters.push_back(letter);
        self.called.notify_one();
    }
}

impl Letter {
    fn len(&self) -> usize {
        match self {
            Self::Said(_, body) => body.len(),
            Self::Failed(_) => 0,
        }
    }
}

impl Sending {
    /// What there is still to send when `left` bytes are.
    fn go_on(self, left: usize) -> Option<Self> {
        (left > 0).then(|| Self { sent: self.event.bytes.len() - left, ..self })
    }
}

impl Guest<'_> {
    /// Waits for the next that the worker has to say of the event.
    pub(crate) fn next(&mut self) -> Result<Said<'_>, Failure> {
        let mut desk = self.hub.desk();
        let letter = loop {
            let Some(seat) = desk.seats.iter_mut().find(|seat| seat.id == self.id) else {
                return Err(Failure::new("Runtime.WorkerLost", "nobody knows of the event"));
            };
            if let Some(letter) = seat.letters.pop_front() {
                let was_full = seat.is_full();
                seat.waiting_bytes -= letter.len();
                if was_full && !seat.is_full() {
                    self.hub.ring();
                }
                break letter;
            }
            desk = self.called.wait(desk).unwrap_or_else(PoisonError::into_inner);
        };
        drop(desk);
        match letter {
            Letter::Failed(failure) => Err(failure),
            Letter::Said(kind, body) => {
                self.body = body;
                Ok(Said::of(kind, &self.body))
            }
        }
    }
}

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        let mut desk = self.hub.desk();
        desk.seats.retain(|seat| seat.id != self.id);
        desk.coming.retain(|event| event.id != self.id);
        drop(desk);
        // Much may have waited here.
        self.hub.ring();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_much_as_the_limit_may_wait_and_one_byte_more_stops_the_worker() {
        for len in [WAITING_BYTES - 1, WAITING_BYTES, WAITING_BYTES + 1] {
            let mut seat = Seat::new("id", None);
            seat.put(Letter::Said(Kind::Chunk, vec![0; len - 1]), false);
            seat.put(Letter::Said(Kind::Chunk, vec![0]), false);
            assert_eq!(seat.is_full(), len > WAITING_BYTES, "{len}");
        }
    }

    #[test]
    fn an_answer_whose_time_is_over_stops_the_worker_no_more() {
        let mut seat = Seat::new("id", None);
        seat.put(Letter::Said(Kind::Chunk, vec![0; WAITING_BYTES + 1]), false);
        seat.expire(Failure::overdue());
        assert!(!seat.is_full() && seat.is_over);
        assert!(matches!(seat.letters.pop_front(), Some(Letter::Failed(_))));
    }

    #[test]
    fn what_was_sent_is_not_sent_again() {
        let event = Event { id: "id".to_owned(), bytes: b"event".to_vec() };
        let sending = Sending { event, sent: 0 }.go_on(2).unwrap();
        assert_eq!(sending.event.bytes.get(sending.sent..), Some(&b"nt"[..]));
        assert!(sending.go_on(0).is_none());
    }
}
