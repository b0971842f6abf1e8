//! The Runtime API's end: one thread that hands out the same event over and over, and looks at the clock.

use std::collections::VecDeque;
use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::exchange::{ACCEPTED, Framing, Request, invocation, read};
use crate::process::Process;
use crate::subjects::Subject;

/// Longest wait for a subject, in milliseconds.
const PATIENCE_MS: u16 = 10_000;

/// What a connection has room for, in bytes: a response of 6 MiB, and `next` behind it.
const INPUT: usize = 7 << 20;

/// What the listener is called among the connections.
const LISTENER: u64 = u64::MAX;

/// How a subject is run.
pub struct Plan<'a> {
    pub programs: &'a Path,
    pub event: &'a [u8],
    pub framing: Framing,
    pub at_once: usize,
    /// Invocations before those that count.
    pub warm_up: usize,
    pub invocations: usize,
    /// A pause before each reply, so that the subject has fallen asleep: what it costs to wait is then seen each time.
    pub pause: Option<Duration>,
    /// Where strace is to leave its table.
    pub calls: Option<&'a Path>,
}

/// What came of it. Times of invocations are in no order.
#[derive(Default)]
pub struct Outcome {
    /// From before the process was made to all bytes of its first `next`.
    pub start: Duration,
    pub start_cpu: Duration,
    pub idle_rss_kib: u64,
    pub peak_rss_kib: u64,
    pub threads: u64,
    pub connections: usize,
    /// All that the subject sent for the invocations that count, in bytes.
    pub sent: usize,
    /// All that the invocations that count took, on the clock and in the subject.
    pub wall: Duration,
    pub cpu: Duration,
    /// From the first byte of an event's reply to the last one of the answer.
    pub latency: Vec<Duration>,
    /// From there to the last byte of the following `next`.
    pub turnaround: Vec<Duration>,
    /// System calls an invocation, which are counted in runs of their own.
    pub calls: f64,
}

pub fn run(subject: &Subject, plan: &Plan<'_>) -> Result<Outcome, Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let api = listener.local_addr()?.to_string();
    let invocations = (0..plan.at_once).map(|number| invocation(number, plan.event, plan.framing)).collect::<Vec<_>>();
    let epoll = Epoll::new(EpollCreateFlags::empty())?;
    epoll.add(&listener, EpollEvent::new(EpollFlags::EPOLLIN, LISTENER))?;
    let begun = Instant::now();
    let process = Process::start(plan.programs, subject, &api, plan.at_once, plan.calls)?;
    let mut server = Server {
        plan,
        invocations: &invocations,
        epoll,
        process,
        connections: Vec::new(),
        free: (0..plan.at_once).collect(),
        sent_at: vec![begun; plan.at_once],
        answered_at: None,
        begun,
        handed_out: 0,
        answered: 0,
        waiting: 0,
        outcome: Outcome::default(),
    };
    server.serve(&listener).map_err(|error| format!("{}: {error}", subject.name))?;
    Ok(server.outcome)
}

struct Server<'a> {
    plan: &'a Plan<'a>,
    /// Each as the bytes of a reply.
    invocations: &'a [Vec<u8>],
    epoll: Epoll,
    process: Process,
    connections: Vec<Connection>,
    /// Numbers of the invocations that are not out.
    free: Vec<usize>,
    sent_at: Vec<Instant>,
    answered_at: Option<Instant>,
    /// When the process was made; later, when the first of the invocations that count began.
    begun: Instant,
    handed_out: usize,
    answered: usize,
    /// `next` that got no reply, as there are no more events.
    waiting: usize,
    outcome: Outcome,
}

impl Server<'_> {
    fn serve(&mut self, listener: &TcpListener) -> Result<(), Box<dyn Error>> {
        let total = self.plan.warm_up + self.plan.invocations;
        let mut ready = [EpollEvent::empty(); 16];
        while self.answered < total || self.waiting < self.plan.at_once {
            let count = self.epoll.wait(&mut ready, EpollTimeout::from(PATIENCE_MS))?;
            if count == 0 {
                self.process.check()?;
                return Err(format!("silence after {} answers", self.answered).into());
            }
            for event in &ready[..count] {
                match event.data() {
                    LISTENER => self.accept(listener)?,
                    index => self.turn(usize::try_from(index)?, event.events())?,
                }
            }
        }
        self.outcome.peak_rss_kib = self.process.peak_rss_kib()?;
        self.outcome.threads = self.process.threads()?;
        Ok(())
    }

    fn accept(&mut self, listener: &TcpListener) -> Result<(), Box<dyn Error>> {
        let (stream, _) = listener.accept()?;
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        self.epoll.add(&stream, EpollEvent::new(EpollFlags::EPOLLIN, self.connections.len() as u64))?;
        self.connections.push(Connection::new(stream));
        self.outcome.connections += 1;
        Ok(())
    }

    fn turn(&mut self, index: usize, events: EpollFlags) -> Result<(), Box<dyn Error>> {
        if events.contains(EpollFlags::EPOLLOUT) {
            self.flush(index)?;
        }
        if !events.intersects(EpollFlags::EPOLLIN | EpollFlags::EPOLLHUP) {
            return Ok(());
        }
        let len = self.connections[index].read()?;
        if len == 0 {
            self.process.check()?;
            return Ok(self.epoll.delete(&self.connections[index].stream)?);
        }
        self.outcome.sent += len;
        let now = Instant::now();
        loop {
            let connection = &mut self.connections[index];
            let Some((request, len)) = read(&connection.input[connection.begin..connection.end])? else {
                return Ok(());
            };
            let reply = match request {
                Request::Next => None,
                Request::Response { number, body } => {
                    let event = self.invocations.get(number).map(|_| self.plan.event);
                    // To compare all of each would take the time of the subjects that are quick.
                    let same = event.is_some_and(|event| {
                        event.len() == body.len() && (self.answered >= self.plan.warm_up || event == body)
                    });
                    if !same || self.free.contains(&number) {
                        return Err(format!("a wrong answer of {} bytes to event {number}", body.len()).into());
                    }
                    Some(number)
                }
            };
            connection.consume(len);
            match reply {
                None => self.next(index, now)?,
                Some(number) => self.answer(index, number, now)?,
            }
        }
    }

    fn next(&mut self, index: usize, now: Instant) -> Result<(), Box<dyn Error>> {
        if self.handed_out == 0 && self.waiting == 0 {
            self.outcome.start = now - self.begun;
            self.outcome.start_cpu = self.process.cpu()?;
            if self.plan.invocations > 0 {
                // It may still be on its way to sleep.
                sleep(Duration::from_millis(2));
            }
            self.outcome.idle_rss_kib = self.process.rss_kib()?;
        }
        if let Some(answered_at) = self.answered_at.take().filter(|_| self.is_counted()) {
            self.outcome.turnaround.push(now - answered_at);
        }
        if self.handed_out == self.plan.warm_up + self.plan.invocations {
            self.waiting += 1;
            return Ok(());
        }
        let number = self.free.pop().ok_or("more requests than events may be out")?;
        self.handed_out += 1;
        self.pause();
        self.sent_at[number] = Instant::now();
        self.send(index, Some(number))
    }

    fn answer(&mut self, index: usize, number: usize, now: Instant) -> Result<(), Box<dyn Error>> {
        if self.is_counted() {
            self.outcome.latency.push(now - self.sent_at[number]);
        }
        self.answered += 1;
        self.free.push(number);
        self.answered_at = (self.plan.at_once == 1).then_some(now);
        if self.answered == self.plan.warm_up {
            self.begun = now;
            self.outcome.cpu = self.process.cpu()?;
            self.outcome.sent = 0;
        }
        if self.answered == self.plan.warm_up + self.plan.invocations {
            self.outcome.wall = now - self.begun;
            self.outcome.cpu = self.process.cpu()? - self.outcome.cpu;
        }
        self.pause();
        self.send(index, None)
    }

    fn is_counted(&self) -> bool {
        self.answered >= self.plan.warm_up
    }

    fn pause(&self) {
        if let Some(pause) = self.plan.pause {
            sleep(pause);
        }
    }

    /// Sends an invocation, or tells that an answer was accepted.
    fn send(&mut self, index: usize, invocation: Option<usize>) -> Result<(), Box<dyn Error>> {
        let connection = &mut self.connections[index];
        connection.output.push_back(Output { invocation, written: 0 });
        if connection.output.len() == 1 { self.flush(index) } else { Ok(()) }
    }

    fn flush(&mut self, index: usize) -> Result<(), Box<dyn Error>> {
        let connection = &mut self.connections[index];
        let done = connection.flush(self.invocations)?;
        if done == connection.blocked {
            connection.blocked = !done;
            let flags = if done { EpollFlags::EPOLLIN } else { EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT };
            self.epoll.modify(&connection.stream, &mut EpollEvent::new(flags, index as u64))?;
        }
        Ok(())
    }
}

struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
    /// Where in `input` the bytes stand that have not been dealt with.
    begin: usize,
    end: usize,
    output: VecDeque<Output>,
    /// The socket did not take all of the output.
    blocked: bool,
}

struct Output {
    invocation: Option<usize>,
    written: usize,
}

impl Connection {
    fn new(stream: TcpStream) -> Self {
        Self { stream, input: vec![0; INPUT], begin: 0, end: 0, output: VecDeque::new(), blocked: false }
    }

    fn read(&mut self) -> Result<usize, Box<dyn Error>> {
        if self.end == self.input.len() {
            return Err("a request that is too long".into());
        }
        let len = self.stream.read(&mut self.input[self.end..])?;
        self.end += len;
        Ok(len)
    }

    fn consume(&mut self, len: usize) {
        self.begin += len;
        if self.begin == self.end {
            (self.begin, self.end) = (0, 0);
        }
    }

    /// Writes what there is to write, and says whether that was all.
    fn flush(&mut self, invocations: &[Vec<u8>]) -> Result<bool, Box<dyn Error>> {
        while let Some(output) = self.output.front_mut() {
            let reply = output.invocation.map_or(ACCEPTED, |number| &invocations[number]);
            match self.stream.write(&reply[output.written..]) {
                Ok(len) => output.written += len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error.into()),
            }
            if output.written == reply.len() {
                self.output.pop_front();
            }
        }
        Ok(true)
    }
}
