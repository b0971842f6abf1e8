//! One play with one process of a runtime.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::ExitStatus;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use super::arrivals::{Arrived, Line};
use super::check;
use super::connections::{self, Happening};
use super::ends::unmet;
use super::setting::{environment, expectation, variables};
use super::wire::{self, Event};
use crate::message::{Head, Message};
use crate::outcome::{Entry, Origin, Verdict};
use crate::pattern::{Variables, expand};
use crate::play::{Closing, Connection, Expected, Reply, Turn};
use crate::process::Process;
use crate::requirement::Need;

/// What is to be played, and with whom.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The program and its arguments.
    pub program: Vec<String>,
    /// `_HANDLER`.
    pub handler: String,
    /// How long the program may do nothing where something is expected of it.
    pub timeout: Duration,
    /// Most bytes of a message that are kept.
    pub keep: usize,
}

/// One play under way.
pub(crate) struct Stage<'s> {
    pub(super) settings: &'s Settings,
    pub(super) rx: Receiver<Happening>,
    address: SocketAddr,
    process: Process,
    pub(super) lines: Vec<Line>,
    pub(super) events: Vec<Event>,
    held: BTreeMap<String, (usize, bool)>,
    latest: usize,
    pub(super) exit: Option<ExitStatus>,
    /// The play has the requests of an extension; else they are replied to, and passed over.
    pub(super) plays_extension: bool,
    pub(super) has_registered: bool,
    echo: bool,
    variables: Variables,
    pub(super) misses: Vec<String>,
    pub(crate) transcript: Vec<Entry>,
}

impl<'s> Stage<'s> {
    /// Starts the program.
    pub(crate) fn start(settings: &'s Settings, env: &BTreeMap<String, String>, has: &[Need]) -> Result<Self, String> {
        let (tx, rx) = mpsc::channel();
        let address = connections::listen(tx.clone()).map_err(|error| format!("no port to listen on: {error}"))?;
        let variables = variables(address);
        let mut all = environment(settings, address);
        for (name, value) in env {
            let value = expand(value, &variables)?;
            all.insert(name.clone(), String::from_utf8_lossy(&value).into_owned());
        }
        let ended = move |status| drop(tx.send(Happening::Exit(status)));
        let process = Process::start(&settings.program, all, ended)
            .map_err(|error| format!("{} cannot be started: {error}", settings.program.join(" ")))?;
        let echo = has.contains(&Need::Echo);
        Ok(Self {
            settings,
            rx,
            address,
            process,
            lines: Vec::new(),
            events: Vec::new(),
            held: BTreeMap::new(),
            latest: 0,
            exit: None,
            plays_extension: false,
            has_registered: false,
            echo,
            variables,
            misses: Vec::new(),
            transcript: Vec::new(),
        })
    }

    /// Plays it.
    pub(crate) fn play(&mut self, turns: &[Turn]) -> Verdict {
        let about_extension = [Some(Expected::Register), Some(Expected::ExtensionNext)];
        self.plays_extension = turns.iter().any(|turn| about_extension.contains(&turn.expect));
        let mut rest = turns;
        while let Some((first, after)) = rest.split_first() {
            let together = rest.iter().take_while(|turn| turn.any_order).count();
            let stopped = if together > 1 {
                let (group, after) = rest.split_at(together);
                rest = after;
                self.in_any_order(group)
            } else {
                rest = after;
                self.step(first)
            };
            if let Err(verdict) = stopped {
                return if self.misses.is_empty() { verdict } else { Verdict::Missed(self.misses.join("; ")) };
            }
        }
        if self.misses.is_empty() { Verdict::Held } else { Verdict::Missed(self.misses.join("; ")) }
    }

    /// What the process has written.
    pub(crate) fn output(&mut self) -> String {
        self.process.output()
    }

    /// The latest event that was handed out has been answered by this body and kind.
    pub(crate) fn probe(&mut self, event: &str) -> Result<(Expected, Message), Verdict> {
        let next = self.request(false)?;
        self.reply(&Reply { event: Some(event.to_owned()), ..Reply::default() }, next.connection, false)?;
        let answer = self.request(false)?;
        self.reply(&Reply::default(), answer.connection, true)?;
        match (check::kind(&answer.head.method, &answer.head.path), answer.message) {
            (Some((kind @ (Expected::Response | Expected::Error), _)), Some(message)) => Ok((kind, message)),
            _ => Err(Verdict::Missed("the event is not answered".into())),
        }
    }

    /// The next request, and the number of its connection.
    pub(crate) fn next_request(&mut self) -> Result<(usize, Message), Verdict> {
        let arrived = self.request(false)?;
        let message = arrived.message.ok_or_else(|| Verdict::Missed("its body is missing".into()))?;
        Ok((arrived.connection, message))
    }

    /// Sends these bytes.
    pub(crate) fn send(&self, connection: usize, bytes: &[u8]) {
        if let Some(stream) = self.lines.get(connection).and_then(|line| line.stream.as_ref()) {
            // A runtime that has closed the connection is found out by what follows.
            let _ = wire::write(stream, bytes, None);
        }
    }

    /// What the runtime asks for first.
    pub(crate) fn first(&mut self) -> Result<Option<Expected>, Verdict> {
        let first = self.request(false)?;
        Ok(check::kind(&first.head.method, &first.head.path).map(|(kind, _)| kind))
    }

    /// Whether it registers as an extension before it asks for an event.
    pub(crate) fn registers(&mut self) -> bool {
        self.request(false).is_ok() && self.has_registered
    }

    fn step(&mut self, turn: &Turn) -> Result<(), Verdict> {
        if let Some(closing) = turn.close {
            self.end(self.latest, closing);
        }
        if turn.signal.is_some() {
            self.process.signal(rustix::process::Signal::TERM);
        }
        if let (Some(name), Some(reply)) = (&turn.answer, &turn.reply) {
            let (connection, post) =
                self.held.remove(name).ok_or_else(|| Verdict::Missed(format!("no request is called {name}")))?;
            self.reply(reply, connection, post)?;
        }
        match turn.expect {
            None => Ok(()),
            Some(Expected::Exit) => self.expect_exit(turn),
            Some(Expected::Recovers) => self.expect_recovery(),
            Some(Expected::NextOrExit) => self.expect_next_or_exit(),
            Some(expected) => {
                let early = turn.reply.as_ref().is_some_and(|reply| reply.early);
                let arrived = self.request(early).map_err(|stop| unmet(stop, check::name(expected)))?;
                self.take(turn, expected, arrived)
            }
        }
    }

    /// Takes as many requests as there are turns, each for the first turn that it fits.
    fn in_any_order(&mut self, group: &[Turn]) -> Result<(), Verdict> {
        let mut left: Vec<&Turn> = group.iter().collect();
        while !left.is_empty() {
            let arrived = self.request(false)?;
            let fits = left
                .iter()
                .position(|turn| turn.expect.is_some_and(|expected| self.is_of(turn, expected, &arrived.head)));
            let turn = left.remove(fits.unwrap_or_default());
            self.take(turn, turn.expect.unwrap_or(Expected::Next), arrived)?;
        }
        Ok(())
    }

    fn is_of(&self, turn: &Turn, expected: Expected, head: &Head) -> bool {
        let Some((kind, id)) = check::kind(&head.method, &head.path) else { return false };
        // A function that does not echo may as well fail at what it does not expect.
        let answer =
            expected == Expected::Answer || (!self.echo && expected == Expected::Response && turn.json.is_none());
        let kinds = kind == expected || (answer && matches!(kind, Expected::Response | Expected::Error));
        kinds && id.is_none_or(|id| self.event(turn).is_some_and(|event| event.id == id))
    }

    fn event(&self, turn: &Turn) -> Option<&Event> {
        match &turn.of {
            Some(name) => self.events.iter().find(|event| event.name == *name),
            None => self.events.last(),
        }
    }

    pub(super) fn take(&mut self, turn: &Turn, expected: Expected, arrived: Arrived) -> Result<(), Verdict> {
        let Arrived { connection, head, message, .. } = arrived;
        let lines = expectation(turn, expected);
        if !self.is_of(turn, expected, &head) {
            let what = format!("{} {} came, not {}", head.method, head.path, check::name(expected));
            self.note(connection, lines, vec![what.clone()], message.as_ref());
            self.misses.push(what);
            return Err(Verdict::Missed(String::new()));
        }
        let mut misses = Vec::new();
        if let Some(message) = &message {
            let event = self.event(turn).cloned();
            let found = check::differences(turn, message, event.as_ref(), self.echo, &self.variables);
            misses = found.map_err(Verdict::Missed)?;
        }
        let requests = self.lines.get(connection).map_or(0, |line| line.requests);
        match turn.connection {
            Some(Connection::Same) if requests == 1 => misses.push("it came on a new connection".into()),
            Some(Connection::New) if requests > 1 => misses.push("it came on a connection that was used before".into()),
            _ => {}
        }
        self.note(connection, lines, misses.clone(), message.as_ref());
        self.misses.extend(misses);
        self.latest = connection;
        let post = head.method == "POST";
        if let Some(name) = &turn.name {
            self.held.insert(name.clone(), (connection, post));
            return Ok(());
        }
        if message.is_none()
            && let Some(line) = self.lines.get_mut(connection)
        {
            line.replied_early += 1;
        }
        match &turn.reply {
            Some(reply) => self.reply(reply, connection, post),
            None if post => self.reply(&Reply::default(), connection, true),
            None => Ok(()),
        }
    }

    pub(super) fn reply(&mut self, reply: &Reply, connection: usize, post: bool) -> Result<(), Verdict> {
        if reply.hold {
            return Ok(());
        }
        let event = self.new_event(reply).map_err(Verdict::Missed)?;
        let mut bytes = wire::reply(reply, event.as_ref(), post, &self.variables).map_err(Verdict::Missed)?;
        if let Some(at) = reply.at {
            bytes.truncate(at);
        }
        self.events.extend(event);
        if let Some(stream) = self.lines.get(connection).and_then(|line| line.stream.clone()) {
            // Whoever has closed the connection meanwhile is found out by what follows.
            let _ = stream.set_write_timeout(Some(self.settings.timeout));
            let _ = wire::write(&stream, &bytes, reply.segment);
        }
        bytes.truncate(self.settings.keep);
        let note = reply.close.map(|closing| format!("{closing:?} by the kit").to_lowercase()).unwrap_or_default();
        let connection_name = connection.to_string();
        self.transcript.push(Entry {
            connection: connection_name,
            from: Origin::Kit,
            expected: Vec::new(),
            misses: Vec::new(),
            bytes,
            note,
        });
        if let Some(closing) = reply.close {
            self.end(connection, closing);
        }
        Ok(())
    }

    /// The invocation that a reply hands out, if it does, and what the texts of the play may say of it.
    fn new_event(&mut self, reply: &Reply) -> Result<Option<Event>, String> {
        let body = match (&reply.event, reply.event_size) {
            (Some(event), _) => expand(event, &self.variables)?,
            (None, Some(size)) => wire::string_of(size),
            (None, None) if reply.name.is_none() => return Ok(None),
            (None, None) => Vec::new(),
        };
        let count = u8::try_from(self.events.len() % 26).unwrap_or_default();
        let name = reply.name.clone().unwrap_or_else(|| char::from(b'a' + count).to_string());
        let known = self.events.iter().find(|event| event.name == name).map(|event| event.id.clone());
        let id = known.or_else(|| reply.id.clone()).unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
        self.variables.insert("id".into(), id.clone());
        self.variables.insert(format!("id:{name}"), id.clone());
        Ok(Some(Event { name, id, body }))
    }

    fn end(&mut self, connection: usize, closing: Closing) {
        if let Some(stream) = self.lines.get_mut(connection).and_then(|line| line.stream.take()) {
            connections::end(&stream, closing == Closing::Reset);
        }
    }

    pub(super) fn note(
        &mut self,
        connection: usize,
        expected: Vec<String>,
        misses: Vec<String>,
        message: Option<&Message>,
    ) {
        let mut bytes = message.map(|message| message.raw.clone()).unwrap_or_default();
        bytes.truncate(self.settings.keep);
        let note = if message.is_none() { "its head alone" } else { "" };
        self.transcript.push(Entry {
            connection: connection.to_string(),
            from: Origin::Program,
            expected,
            misses,
            bytes,
            note: note.into(),
        });
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        self.process.signal(rustix::process::Signal::KILL);
        for line in &self.lines {
            if let Some(stream) = &line.stream {
                connections::end(stream, false);
            }
        }
        let (_, nothing) = mpsc::channel();
        // The listening thread finds that nobody receives any more.
        self.rx = nothing;
        connections::stop_listening(self.address);
    }
}
