//! One play with one process of a server.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::process::ExitStatus;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::agent::{self, Agent};
use super::line::Line;
use super::ports::free_ports;
use super::wire::{self, To};
use super::{Settings, check};
use crate::address::authority;
use crate::message::{Message, ReadError};
use crate::outcome::{Entry, Origin, Verdict};
use crate::pattern::{Variables, matches};
use crate::play::{ExpectedReply, Sent, ServerStep};
use crate::process::Process;
use crate::runtime::write;

/// Before it is looked again at a server that has just been started, or has ended.
const RETRY: Duration = Duration::from_millis(20);
/// Seconds that a function may take, where a requirement says nothing.
const FUNCTION_SECONDS: &str = "60";
const TIMEOUT_VARIABLE: &str = "AWS_LAMBDA_FUNCTION_TIMEOUT";

/// One play under way.
pub(crate) struct Stage<'s> {
    settings: &'s Settings,
    /// Killed when it is dropped.
    process: Option<Process>,
    ended: Arc<Mutex<Option<String>>>,
    agents: Option<Receiver<Agent>>,
    agent: Option<Agent>,
    callers: String,
    api: Option<(String, String)>,
    lines: BTreeMap<String, Line>,
    invocations: usize,
    variables: Variables,
    misses: Vec<String>,
    pub(crate) transcript: Vec<Entry>,
    _files: tempfile::TempDir,
}

impl<'s> Stage<'s> {
    /// Starts the server, if it is to be started, and waits until it takes connections.
    pub(crate) fn start(settings: &'s Settings, env: &BTreeMap<String, String>) -> Result<Self, String> {
        let files = tempfile::tempdir().map_err(|error| format!("no place for files: {error}"))?;
        let bootstrap = files.path().join("bootstrap");
        let ports = free_ports()?;
        let seconds = env.get(TIMEOUT_VARIABLE).map_or(FUNCTION_SECONDS, String::as_str);
        let filled = |text: &str| {
            text.replace("{port}", &ports[0].to_string())
                .replace("{api-port}", &ports[1].to_string())
                .replace("{timeout}", seconds)
                .replace("{bootstrap}", &bootstrap.display().to_string())
        };
        let ended = Arc::new(Mutex::new(None));
        let mut agents = None;
        let mut process = None;
        if !settings.program.is_empty() {
            agents = Some(agent::prepare(&bootstrap).map_err(|error| format!("no runtime to start: {error}"))?);
            let program: Vec<String> = settings.program.iter().map(|word| filled(word)).collect();
            let mut all = BTreeMap::from([(TIMEOUT_VARIABLE.to_owned(), seconds.to_owned())]);
            all.extend(env.clone());
            let seen = ended.clone();
            let on_end = move |status: ExitStatus| {
                *seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(status.to_string());
            };
            let started = Process::start(&program, all, on_end);
            process = Some(started.map_err(|error| format!("{} cannot be started: {error}", program.join(" ")))?);
        }
        let callers = authority(&filled(&settings.url))?.0;
        let api = settings.api.as_deref().map(|api| authority(&filled(api))).transpose()?;
        let mut variables = Variables::from([
            ("function".to_owned(), settings.function.clone()),
            ("callers".to_owned(), callers.clone()),
        ]);
        variables.extend(api.iter().map(|(api, _)| ("api".to_owned(), api.clone())));
        let stage = Self {
            settings,
            process,
            ended,
            agents,
            agent: None,
            callers,
            api,
            lines: BTreeMap::new(),
            invocations: 0,
            variables,
            misses: Vec::new(),
            transcript: Vec::new(),
            _files: files,
        };
        stage.connect(&stage.callers)?;
        Ok(stage)
    }

    /// Plays it.
    pub(crate) fn play(&mut self, steps: &[ServerStep]) -> Verdict {
        for step in steps {
            if let Err(verdict) = self.step(step) {
                let misses = self.misses.join("; ");
                return if self.misses.is_empty() { verdict } else { Verdict::Missed(misses) };
            }
        }
        if self.misses.is_empty() { Verdict::Held } else { Verdict::Missed(self.misses.join("; ")) }
    }

    /// What the server has written.
    pub(crate) fn output(&mut self) -> String {
        self.process.as_mut().map(Process::output).unwrap_or_default()
    }

    fn step(&mut self, step: &ServerStep) -> Result<(), Verdict> {
        if let Some(name) = &step.close {
            self.lines.remove(name);
        }
        if let Some(status) = step.exit {
            self.agent()?;
            if let Some(agent) = self.agent.take() {
                agent.exit(status);
            }
        }
        if step.restarted {
            self.agent = None;
            self.lines.retain(|name, _| name.starts_with("caller"));
            self.agent()?;
        }
        self.check_environment(step)?;
        let mut awaited = step.awaited.clone();
        if let Some(sent) = step.send {
            let name = self.send(step, sent)?;
            awaited = step.expect.is_some().then_some(name);
        }
        match awaited {
            Some(name) => self.expect(&name, &step.expect.clone().unwrap_or_default()),
            None => Ok(()),
        }
    }

    fn check_environment(&mut self, step: &ServerStep) -> Result<(), Verdict> {
        if step.env.is_empty() {
            return Ok(());
        }
        self.api()?;
        for (name, pattern) in &step.env {
            let environment = self.agent.as_ref().map(|agent| &agent.environment);
            let value = environment.and_then(|environment| environment.get(name)).map_or("", String::as_str);
            if !matches(pattern, value, &self.variables).map_err(Verdict::Missed)? {
                self.misses.push(format!("{name} is {value:?}, not {pattern:?}"));
            }
        }
        Ok(())
    }

    fn send(&mut self, step: &ServerStep, sent: Sent) -> Result<String, Verdict> {
        let name = step.name.clone().unwrap_or_else(|| format!("{sent:?}").to_lowercase());
        let to = wire::to(sent);
        let (address, prefix) = if to == To::Callers { (self.callers.clone(), String::new()) } else { self.api()? };
        let usual = if to == To::Callers { format!("caller {name}") } else { "runtime".to_owned() };
        let line = step.on.clone().unwrap_or(usual);
        self.variables.insert("prefix".into(), prefix.clone());
        let mut bytes = wire::request(step, sent, &prefix, &self.variables).map_err(Verdict::Missed)?;
        bytes.truncate(step.at.unwrap_or(usize::MAX));
        if to == To::Callers && step.on.is_none() {
            self.lines.remove(&line);
        }
        if !self.lines.contains_key(&line) {
            let stream = self.connect(&address).map_err(Verdict::Missed)?;
            let new = Line::new(stream, self.settings.timeout).map_err(|error| Verdict::Missed(error.to_string()))?;
            self.lines.insert(line.clone(), new);
        }
        if let Some(open) = self.lines.get_mut(&line) {
            // A server that has closed the connection is found out by what follows.
            let _ = write(&open.stream, &bytes, step.segment);
            let _ = open.stream.flush();
            open.pending.push_back((name.clone(), sent, bytes.starts_with(b"HEAD")));
            if step.expect.is_none() {
                open.wait_until_read(self.settings.timeout);
            }
        }
        bytes.truncate(self.settings.keep);
        self.note(&line, Origin::Kit, Vec::new(), Vec::new(), bytes, "");
        Ok(name)
    }

    fn expect(&mut self, name: &str, expected: &ExpectedReply) -> Result<(), Verdict> {
        let found = self.lines.iter().find(|(_, line)| line.pending.iter().any(|(is, ..)| is == name));
        let Some(key) = found.map(|(key, _)| key.clone()) else {
            return Err(Verdict::Missed(format!("no request is called {name}")));
        };
        let lines = check::expectation(expected);
        while let Some(line) = self.lines.get_mut(&key) {
            let Some((is, sent, to_head)) = line.pending.pop_front() else { break };
            let read = line.reply(to_head);
            let closed = expected.closed && matches!(line.reader.head(), Ok(None) | Err(ReadError::Cut(_)));
            match read {
                Ok(Some(message)) => {
                    self.learn(&message, sent, expected);
                    if is != name {
                        continue;
                    }
                    let mut misses = Vec::new();
                    if !expected.anything {
                        misses = check::differences(expected, &message, &self.variables).map_err(Verdict::Missed)?;
                    }
                    if expected.closed && !closed {
                        misses.push("the connection is not closed".into());
                    }
                    self.misses.extend(misses.clone());
                    let bytes = message.raw.get(..self.settings.keep).unwrap_or(&message.raw).to_vec();
                    self.note(&key, Origin::Program, lines, misses.clone(), bytes, "");
                    // What follows an unexpected status would be taken for what it is not.
                    let unexpected = misses.iter().any(|miss| miss.starts_with("the status"));
                    return if unexpected { Err(Verdict::Missed(String::new())) } else { Ok(()) };
                }
                Ok(None) if expected.anything || expected.closed => {
                    self.note(&key, Origin::Program, lines, Vec::new(), Vec::new(), "the connection ended");
                    self.lines.remove(&key);
                    return Ok(());
                }
                Err(ReadError::Cut(_) | ReadError::Malformed(..)) if expected.anything => {
                    self.lines.remove(&key);
                    return Ok(());
                }
                Ok(None) => return Err(self.gone(&key, lines, name, "the connection ended without a reply")),
                Err(ReadError::Silent) => return Err(self.silent(&key, lines, name)),
                Err(error) => return Err(self.gone(&key, lines, name, &error.to_string())),
            }
        }
        Err(Verdict::Missed(format!("there is no reply to {name}")))
    }

    fn silent(&mut self, key: &str, lines: Vec<String>, name: &str) -> Verdict {
        let what = format!("no reply came to {name}");
        self.note(key, Origin::Program, lines, vec![what.clone()], Vec::new(), "");
        let answered = self.lines.values().find(|line| line.has_come());
        match answered.and_then(|line| line.pending.front()) {
            Some((other, ..)) => Verdict::Missed(format!("{what}, and one to {other}")),
            None => Verdict::Hung(what),
        }
    }

    fn gone(&mut self, key: &str, lines: Vec<String>, name: &str, why: &str) -> Verdict {
        let what = format!("{why} to {name}");
        self.note(key, Origin::Program, lines, vec![what.clone()], Vec::new(), "");
        // The end of a process may be known a little later than that of its connections.
        thread::sleep(RETRY);
        match self.ended.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            Some(status) => Verdict::Ended(format!("the server ended with {status}")),
            None => Verdict::Missed(what),
        }
    }

    /// Keeps what later steps may name.
    fn learn(&mut self, message: &Message, sent: Sent, expected: &ExpectedReply) {
        let head = &message.head;
        if let Some(id) = head.header("Lambda-Extension-Identifier") {
            self.variables.insert("extension".into(), id.to_owned());
        }
        let id = head.header("Lambda-Runtime-Aws-Request-Id").filter(|_| sent == Sent::Next && head.status == 200);
        let Some(id) = id else { return };
        let count = u8::try_from(self.invocations % 26).unwrap_or_default();
        let name = expected.name.clone().unwrap_or_else(|| char::from(b'a' + count).to_string());
        self.invocations += 1;
        let nonce = head.header("Lambda-Runtime-Invocation-Id").unwrap_or_default();
        for (variable, value) in [("id", id), ("invocation-id", nonce)] {
            self.variables.insert(variable.to_owned(), value.to_owned());
            self.variables.insert(format!("{variable}:{name}"), value.to_owned());
        }
    }

    /// Address and path of the Runtime API, as the server tells a runtime.
    fn api(&mut self) -> Result<(String, String), Verdict> {
        if let Some(api) = &self.api {
            return Ok(api.clone());
        }
        self.agent()?;
        let environment = self.agent.as_ref().map(|agent| &agent.environment);
        let variable = environment.and_then(|environment| environment.get("AWS_LAMBDA_RUNTIME_API"));
        let api = variable.ok_or_else(|| Verdict::Missed("AWS_LAMBDA_RUNTIME_API is not set".into()))?;
        let api = authority(api).map_err(Verdict::Missed)?;
        self.variables.insert("api".into(), api.0.clone());
        self.api = Some(api.clone());
        Ok(api)
    }

    fn agent(&mut self) -> Result<(), Verdict> {
        if self.agent.is_some() {
            return Ok(());
        }
        let Some(agents) = &self.agents else { return Ok(()) };
        match agents.recv_timeout(self.settings.timeout) {
            Ok(agent) => {
                self.agent = Some(agent);
                Ok(())
            }
            Err(_) => Err(Verdict::Hung("the server does not start the runtime".into())),
        }
    }

    fn connect(&self, address: &str) -> Result<TcpStream, String> {
        let start = Instant::now();
        loop {
            let resolved: Vec<SocketAddr> = address.to_socket_addrs().map(Iterator::collect).unwrap_or_default();
            let error = match TcpStream::connect(resolved.as_slice()) {
                Ok(stream) => {
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Err(error) => error,
            };
            if let Some(status) = self.ended.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
                return Err(format!("the server has ended with {status}"));
            }
            if start.elapsed() > self.settings.timeout {
                return Err(format!("nobody listens at {address}: {error}"));
            }
            thread::sleep(RETRY);
        }
    }

    fn note(
        &mut self,
        line: &str,
        from: Origin,
        expected: Vec<String>,
        misses: Vec<String>,
        bytes: Vec<u8>,
        note: &str,
    ) {
        let (connection, note) = (line.to_owned(), note.to_owned());
        self.transcript.push(Entry { connection, from, expected, misses, bytes, note });
    }
}
