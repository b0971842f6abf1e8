//! One environment with its process: carries out what the state machine says.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::body::Bytes;
use lambwire::ApiError;
use rustix::process::Pid;
use tokio::sync::{Notify, mpsc, oneshot};

use super::{Fleet, Settings, records};
use crate::answer::{Answer, Outcome, Reported};
use crate::arn;
use crate::environment::{Action, Begun, Capacity, ConnectionId, Environment, Finished, Id, Next, Notice, Refusal};
use crate::event::Invocation;
use crate::json;
use crate::limits;
use crate::logs::{Reader, Source, Tail};
use crate::process::{self, Program};
use crate::queue::{Caller, Job, Place, now_ms};
use crate::report::{self, Report};
use crate::runtime_api::RuntimeApi;
use crate::telemetry::{Kind, Subscription, Telemetry};

/// One environment of a function.
pub(crate) struct Member {
    fleet: Weak<Fleet>,
    pub(super) settings: Rc<Settings>,
    pub(super) environment: RefCell<Environment>,
    /// `None` if the runtime is started by somebody else.
    pub(super) program: RefCell<Option<Program>>,
    pub(crate) runtime_api: RuntimeApi,
    /// Invocations that are claimed or in flight.
    held: RefCell<HashMap<Id, Held>>,
    pub(super) waiters: RefCell<HashMap<ConnectionId, oneshot::Sender<Rc<Assignment>>>>,
    /// Connections on which extensions wait for an event.
    pub(super) listeners: RefCell<HashMap<ConnectionId, oneshot::Sender<Vec<u8>>>>,
    /// Wakes the driver.
    pub(super) wake: Notify,
    /// The deadline that the driver sleeps until.
    pub(super) armed: Cell<Option<Instant>>,
    pub(super) life: Cell<Life>,
    /// The program's process, until its end is known.
    pub(super) pid: Cell<Option<Pid>>,
    /// Those of extensions.
    pub(super) extension_pids: RefCell<Vec<Pid>>,
    /// When the program was started, until its first invocation is over.
    pub(super) started_at: Cell<Option<Instant>>,
    pub(super) memory: Cell<Memory>,
    pub(super) outputs: RefCell<Vec<Rc<Reader>>>,
    pub(super) telemetry: Telemetry,
    /// The tenant that it serves, once it has served one.
    pub(super) tenant: RefCell<Option<Option<String>>>,
    pub(super) ended: Notify,
}

/// Where an environment is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    Open,
    /// The process is being ended, and another one may follow.
    Ending,
    /// The emulator is at its end.
    Stopping,
    Stopped,
}

/// What is known of the memory of the processes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Memory {
    read_at: Option<Instant>,
    max_mb: Option<u64>,
}

/// An invocation, and who waits for its answer.
struct Held {
    invocation: Rc<Invocation>,
    caller: Option<Caller>,
    place: Option<Place>,
    deadline_ms: u64,
    /// The end of the log, if the caller wants it.
    tail: Option<Tail>,
    /// The answer that waits for the rest of that.
    answer: Option<Answer>,
}

/// What a runtime is given.
pub(crate) struct Assignment {
    pub(crate) invocation: Rc<Invocation>,
    /// When it times out, in milliseconds since the Unix epoch.
    pub(crate) deadline_ms: u64,
}

/// Why an extension is not told what happens.
pub(crate) enum Unsubscribed {
    Refused(Refusal),
    Invalid(String),
}

/// What an extension gets that asks for an event.
pub(crate) enum Told {
    At(Vec<u8>),
    /// It gets one by this, or is sent away when this ends.
    Waits(oneshot::Receiver<Vec<u8>>),
}

/// What a runtime gets that asks for an invocation.
pub(crate) enum Handout {
    Given(Rc<Assignment>),
    /// It gets one by this, or is sent away when this ends.
    Waits(oneshot::Receiver<Rc<Assignment>>),
}

impl Member {
    pub(crate) fn new(fleet: &Rc<Fleet>, program: Option<Program>, runtime_api: RuntimeApi) -> Rc<Self> {
        let settings = Rc::clone(&fleet.settings);
        let environment = Environment::new(settings.capacity, settings.timeouts, Instant::now());
        Rc::new(Self {
            fleet: Rc::downgrade(fleet),
            settings,
            environment: RefCell::new(environment),
            program: RefCell::new(program),
            runtime_api,
            held: RefCell::default(),
            waiters: RefCell::default(),
            listeners: RefCell::default(),
            wake: Notify::new(),
            armed: Cell::new(None),
            life: Cell::new(Life::Open),
            pid: Cell::new(None),
            extension_pids: RefCell::default(),
            started_at: Cell::new(Some(Instant::now())),
            memory: Cell::default(),
            outputs: RefCell::default(),
            telemetry: Telemetry::default(),
            tenant: RefCell::default(),
            ended: Notify::new(),
        })
    }

    /// Whether it would take this job at once.
    pub(crate) fn is_ready_for(&self, job: &Job) -> bool {
        self.life.get() == Life::Open && self.environment.borrow().is_ready() && self.suits(job)
    }

    /// Whether it may serve the tenant of this job.
    pub(crate) fn suits(&self, job: &Job) -> bool {
        let tenant = self.tenant.borrow();
        tenant.as_ref().is_none_or(|tenant| *tenant == job.invocation.event().tenant_id)
    }

    /// Whether it is idle, and can be started anew for another tenant.
    pub(crate) fn is_replaceable(&self) -> bool {
        self.life.get() == Life::Open && self.program.borrow().is_some() && self.is_idle()
    }

    /// Whether a job may wait for it alone.
    pub(crate) fn is_claimable(&self) -> bool {
        self.life.get() == Life::Open && self.environment.borrow().is_claimable()
    }

    pub(crate) fn is_finishing(&self) -> bool {
        self.life.get() == Life::Open && self.environment.borrow().is_finishing()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.environment.borrow().is_idle()
    }

    /// The processes that this environment waits for itself.
    pub(crate) fn pids(&self) -> Vec<Pid> {
        self.extension_pids.borrow().iter().copied().chain(self.pid.get()).collect()
    }

    pub(crate) fn has_process(&self) -> bool {
        self.pid.get().is_some()
    }

    /// Has a job wait for this environment, which is started if need be.
    pub(crate) fn claim(&self, job: Job) {
        if !self.suits(&job) {
            self.begin_end();
        }
        let id = self.hold(job);
        self.environment.borrow_mut().claim(id, Instant::now());
        self.wake.notify_one();
    }

    /// Gives a job to the runtime, which is ready.
    pub(crate) fn assign(&self, job: Job) {
        let id = self.hold(job);
        self.give(&id);
    }

    fn hold(&self, job: Job) -> Id {
        let Job { invocation, caller, place } = job;
        let id = Arc::clone(invocation.id());
        let tail = invocation.event().wants_tail.then(Tail::default);
        let (invocation, caller) = (Rc::new(invocation), Some(caller));
        let held = Held { invocation, caller, place, deadline_ms: 0, tail, answer: None };
        self.held.borrow_mut().insert(Arc::clone(&id), held);
        if self.is_read(&id) {
            self.tell(&id, report::start(&id).as_bytes());
        }
        id
    }

    fn give(&self, id: &Id) {
        let now = Instant::now();
        let timeout = self.settings.timeouts.invocation;
        let mut all_held = self.held.borrow_mut();
        let Some(held) = all_held.get_mut(id) else { return };
        // Without a time-out, a deadline that no program takes for near.
        let timeout_ms = timeout.unwrap_or(limits::MAX_TIMEOUT).as_millis();
        held.deadline_ms = now_ms().saturating_add(u64::try_from(timeout_ms).unwrap_or(u64::MAX));
        self.tenant.borrow_mut().get_or_insert_with(|| held.invocation.event().tenant_id.clone());
        let connection = self.environment.borrow_mut().assign(id, held.invocation.nonce(), now);
        if let Some(waiter) = connection.and_then(|connection| self.waiters.borrow_mut().remove(&connection)) {
            // The connection forgets its waiter before it ends.
            let _ = waiter.send(Rc::new(held.assignment()));
        }
        if self.telemetry.is_on() {
            self.telemetry.platform("start", &records::start(&held.invocation));
        }
        drop(all_held);
        let deadline = timeout.map(|timeout| now + timeout);
        if deadline.is_some_and(|deadline| self.armed.get().is_none_or(|armed| armed > deadline)) {
            self.wake.notify_one();
        }
        if self.has_extension() {
            self.act();
        }
    }

    /// The runtime asks for an invocation, on this connection.
    pub(crate) fn next(&self, connection: ConnectionId) -> Result<Handout, ApiError<'static>> {
        let next = self.environment.borrow_mut().next(connection, Instant::now())?;
        if let Next::Again(id) = next
            && let Some(held) = self.held.borrow().get(&id)
        {
            return Ok(Handout::Given(Rc::new(held.assignment())));
        }
        let (waiter, given) = oneshot::channel();
        self.waiters.borrow_mut().insert(connection, waiter);
        self.tell_init();
        self.act();
        self.fill();
        Ok(Handout::Waits(given))
    }

    /// Gives what waits, as long as the runtime is ready.
    fn fill(&self) {
        let Some(fleet) = self.fleet.upgrade() else { return };
        while self.life.get() == Life::Open && self.environment.borrow().is_ready() {
            let claimed = self.environment.borrow().claimed().cloned();
            match claimed {
                Some(id) => self.give(&id),
                None => match fleet.next_for(self) {
                    Some(job) => self.assign(job),
                    None => return,
                },
            }
        }
    }

    /// This connection does not wait any more.
    pub(crate) fn forget(&self, connection: ConnectionId) {
        let was_waiting = self.waiters.borrow_mut().remove(&connection).is_some();
        if self.listeners.borrow_mut().remove(&connection).is_some() || was_waiting {
            self.environment.borrow_mut().forget(connection);
        }
    }

    /// An extension registers; returns its id.
    pub(crate) fn register(&self, name: &str, wish: &[u8]) -> Result<String, Refusal> {
        let registered = self.environment.borrow_mut().extensions.register(name, wish);
        // The program may have waited for it.
        self.wake.notify_one();
        registered
    }

    /// An extension asks for an event.
    pub(crate) fn extension_next(&self, id: &[u8], connection: ConnectionId) -> Result<Told, Refusal> {
        let notice = self.environment.borrow_mut().extension_next(id, connection, Instant::now())?;
        let told = match notice {
            Some(notice) => Told::At(self.event(&notice)),
            None => {
                let (listener, told) = oneshot::channel();
                self.listeners.borrow_mut().insert(connection, listener);
                Told::Waits(told)
            }
        };
        self.tell_init();
        self.act();
        self.fill();
        Ok(told)
    }

    pub(crate) fn fail_extension(&self, id: &[u8], error_type: Option<&str>, is_init: bool) -> Result<(), Refusal> {
        let mut environment = self.environment.borrow_mut();
        let name = environment.extensions.name(id)?;
        environment.extensions.fail(id, error_type, is_init)?;
        log::error!("extension {name} has failed: {}", error_type.unwrap_or_default());
        Ok(())
    }

    /// What an extension is told of the function when it registers.
    pub(crate) fn registration(&self, wants_account: bool) -> String {
        let function = &self.settings.registration;
        let account = [("accountId", arn::ACCOUNT)];
        let members =
            [("functionName", &*function.name), ("functionVersion", &function.version), ("handler", &function.handler)];
        let account = account.into_iter().filter(|_| wants_account);
        json::object(&account.chain(members).collect::<Vec<_>>())
    }

    /// Whether this is the token with which the function may ask where it runs.
    pub(crate) fn knows_token(&self, authorization: &[u8]) -> bool {
        authorization.strip_prefix(b"Bearer ") == Some(self.settings.metadata_token.as_bytes())
    }

    /// An extension wants to be told what happens.
    pub(crate) async fn subscribe(&self, id: &[u8], body: &[u8]) -> Result<(), Unsubscribed> {
        let extension = self.environment.borrow_mut().extensions.name(id).map_err(Unsubscribed::Refused)?;
        if self.telemetry.is_closed() {
            return Err(Unsubscribed::Refused(Refusal {
                error_type: "Telemetry.SubscriptionClosed",
                message: "Telemetry API subscription is closed".to_owned(),
            }));
        }
        let is_managed = self.settings.capacity != Capacity::One;
        let subscription = Subscription::read(body, is_managed).map_err(Unsubscribed::Invalid)?;
        self.telemetry.subscribe(extension, subscription).await.map_err(Unsubscribed::Invalid)
    }

    fn init_type(&self) -> &'static str {
        if self.settings.capacity == Capacity::One { "on-demand" } else { "lambda-managed-instances" }
    }

    /// Tells that a start begins.
    pub(super) fn tell_init_start(&self) {
        let function = &self.settings.registration;
        let record = records::init_start(self.init_type(), function, self.settings.memory_mb);
        self.telemetry.platform("initStart", &record);
    }

    /// Tells that the start is over, once it is.
    fn tell_init(&self) {
        let environment = self.environment.borrow();
        if self.telemetry.is_closed() || environment.ready_at().is_none() || !environment.extensions.are_ready() {
            return;
        }
        if self.telemetry.is_on() {
            self.tell_init_end(&environment, None);
        }
        self.telemetry.close();
    }

    /// Tells that the start has failed, unless it is over.
    pub(super) fn tell_init_failure(&self, error_type: &str) {
        let environment = self.environment.borrow();
        if self.telemetry.is_on() && !self.telemetry.is_closed() && environment.ready_at().is_none() {
            self.tell_init_end(&environment, Some(error_type));
            self.telemetry.close();
        }
    }

    fn tell_init_end(&self, environment: &Environment, error_type: Option<&str>) {
        let record = records::init_end(self.init_type(), error_type, None);
        self.telemetry.platform("initRuntimeDone", &record);
        for (name, events) in environment.extensions.names() {
            let record = serde_json::json!({ "name": name, "state": "Ready", "events": events });
            self.telemetry.platform("extension", &record);
        }
        let started_at = self.started_at.get();
        let duration = started_at.map(|started_at| started_at.elapsed()).unwrap_or_default();
        self.telemetry.platform("initReport", &records::init_end(self.init_type(), error_type, Some(duration)));
    }

    /// Whether an extension has registered.
    pub(crate) fn has_extension(&self) -> bool {
        self.environment.borrow().extensions.are_there()
    }

    /// What an extension is told.
    fn event(&self, notice: &Notice) -> Vec<u8> {
        let event = match notice {
            Notice::Shutdown { reason, deadline_ms } => serde_json::json!({
                "eventType": "SHUTDOWN", "deadlineMs": deadline_ms, "shutdownReason": reason.name(),
            }),
            Notice::Invoke(id) => {
                let held = self.held.borrow();
                let held = held.get(id);
                let event = held.map(|held| held.invocation.event());
                serde_json::json!({
                    "eventType": "INVOKE",
                    "deadlineMs": held.map(|held| held.deadline_ms),
                    "requestId": &**id,
                    "invokedFunctionArn": event.and_then(|event| event.function_arn.as_deref()),
                    "tracing": {
                        "type": "X-Amzn-Trace-Id",
                        "value": event.and_then(|event| event.trace_id.as_deref()),
                    },
                })
            }
        };
        event.to_string().into_bytes()
    }

    /// The runtime begins to answer; returns how many bytes are taken.
    pub(crate) fn begin_answer(&self, begun: &Begun<'_>) -> Result<u64, ApiError<'static>> {
        let result = self.environment.borrow_mut().begin_answer(begun, Instant::now());
        self.act();
        result
    }

    /// The answer that was begun is here.
    pub(crate) fn end_answer(&self, begun: &Begun<'_>, reported: Reported) -> Result<(), ApiError<'static>> {
        self.drain_outputs();
        let status = reported.status();
        self.environment.borrow_mut().end_answer(begun.id, status, Instant::now())?;
        self.answer(begun.id, reported);
        self.act();
        Ok(())
    }

    pub(crate) fn refuse_size(&self, begun: &Begun<'_>) {
        self.environment.borrow_mut().refuse_size(begun, Instant::now());
        self.act();
    }

    pub(crate) fn cut_answer(&self, id: &str) {
        self.environment.borrow_mut().cut_answer(id, Instant::now());
        self.act();
    }

    pub(crate) fn begin_init_error(&self) -> Result<bool, ApiError<'static>> {
        self.environment.borrow_mut().begin_init_error()
    }

    /// The report of a runtime that cannot start is here.
    pub(crate) fn end_init_error(&self, reported: Reported) {
        self.tell_init_failure(reported.error_type().as_deref().unwrap_or("Runtime.Unknown"));
        let claimed = self.environment.borrow_mut().end_init_error(reported.error_type());
        if let Some(id) = claimed {
            self.answer(&id, reported);
        }
        self.act();
        self.place();
    }

    /// Answers the caller of an invocation, unless that has been done.
    fn answer(&self, id: &str, reported: Reported) {
        let mut held = self.held.borrow_mut();
        let Some(held) = held.get_mut(id) else { return };
        held.place = None;
        held.answer.get_or_insert_with(|| reported.into_answer(id.to_owned(), held.invocation.version()));
        if held.tail.is_none() {
            self.send(held);
        }
    }

    /// Gives the caller the answer, if there is one and it has not been given.
    fn send(&self, held: &mut Held) {
        let Some((mut answer, caller)) = held.answer.take().zip(held.caller.take()) else { return };
        answer.log_tail = held.tail.take().map(Tail::into_bytes);
        // A caller may have gone away.
        match caller {
            Caller::Waits(caller) | Caller::Streams(_, caller) => drop(caller.send(answer)),
            Caller::Nobody { tries } if answer.outcome == Outcome::Failure => {
                if let Some(fleet) = self.fleet.upgrade() {
                    fleet.retry(Rc::clone(&held.invocation), tries, &answer);
                }
            }
            Caller::Nobody { .. } => {}
        }
    }

    /// Where the body of a response goes as it comes, if its caller wants that.
    pub(crate) fn stream_for(&self, id: &str) -> Option<mpsc::Sender<Bytes>> {
        match self.held.borrow().get(id)?.caller.as_ref()? {
            Caller::Streams(pieces, _) => Some(pieces.clone()),
            _ => None,
        }
    }

    /// Whether anybody wants to see lines of the platform about this invocation.
    fn is_read(&self, id: &str) -> bool {
        !self.settings.printer.is_silent() || self.held.borrow().get(id).is_some_and(|held| held.tail.is_some())
    }

    /// Prints lines of the platform about this invocation.
    fn tell(&self, id: &str, lines: &[u8]) {
        self.settings.printer.print(lines);
        if let Some(tail) = self.held.borrow_mut().get_mut(id).and_then(|held| held.tail.as_mut()) {
            tail.push(lines);
        }
    }

    /// Does what the environment says.
    pub(super) fn act(&self) {
        loop {
            let action = self.environment.borrow_mut().action();
            match action {
                None => return,
                Some(Action::Fail(id, failure)) => {
                    log::error!("{}", failure.message(&id));
                    self.answer(&id, Reported::Failed(failure));
                }
                Some(Action::Finish(finished)) => self.finish(&finished),
                Some(Action::Notify(connection, notice)) => {
                    if let Some(listener) = self.listeners.borrow_mut().remove(&connection) {
                        // The connection forgets its listener before it ends.
                        let _ = listener.send(self.event(&notice));
                    }
                }
                Some(Action::End) => {
                    self.begin_end();
                    self.wake.notify_one();
                }
            }
        }
    }

    /// An invocation is over.
    fn finish(&self, finished: &Finished) {
        self.drain_outputs();
        for output in self.outputs.borrow().iter() {
            output.end_line(&mut |source, line: &[u8]| self.log(source, line));
        }
        let init = self.take_init_duration();
        self.read_memory(finished.duration);
        let report = Report {
            request_id: &finished.id,
            init,
            duration: finished.duration,
            memory_mb: self.settings.memory_mb,
            max_memory_mb: self.memory.get().max_mb,
            status: &finished.status,
        };
        if self.telemetry.is_on() && finished.spans.given_at.is_some() {
            self.tell_report(&report, finished);
        }
        if self.is_read(&finished.id) {
            self.tell(&finished.id, report.lines().as_bytes());
        }
        let held = self.held.borrow_mut().remove(&finished.id);
        if let Some(mut held) = held {
            self.send(&mut held);
        }
        self.fill();
        if let Some(fleet) = self.fleet.upgrade() {
            fleet.tell_finished();
            fleet.place();
        }
    }

    fn tell_report(&self, report: &Report<'_>, finished: &Finished) {
        let held = self.held.borrow();
        let Some(held) = held.get(&finished.id) else { return };
        if self.settings.capacity == Capacity::One {
            let record = records::runtime_done(report, &finished.spans, &held.invocation);
            self.telemetry.platform("runtimeDone", &record);
            self.telemetry.platform("report", &records::report(report, &held.invocation));
        } else {
            let record = records::managed_report(report, &finished.spans, &held.invocation);
            self.telemetry.platform("report", &record);
        }
    }

    /// Looks how much memory the processes have had, unless that has just been done.
    fn read_memory(&self, duration: Duration) {
        let Some(pid) = self.pid.get() else { return };
        let Memory { read_at, max_mb } = self.memory.get();
        let is_fresh = read_at.is_some_and(|at| at.elapsed() < limits::MEMORY_INTERVAL);
        if !is_fresh || duration >= limits::MEMORY_INTERVAL {
            let max_mb = max_mb.max(process::max_memory_mb(pid));
            self.memory.set(Memory { read_at: Some(Instant::now()), max_mb });
        }
    }

    /// How long the program took to start, if it has not been said.
    fn take_init_duration(&self) -> Option<Duration> {
        let ready_at = self.environment.borrow().ready_at()?;
        Some(ready_at.saturating_duration_since(self.started_at.take()?))
    }

    pub(super) fn drain_outputs(&self) {
        for output in self.outputs.borrow().iter() {
            output.drain(&mut |source, line: &[u8]| self.log(source, line));
        }
    }

    /// A line that the program has written.
    pub(super) fn log(&self, source: Source, line: &[u8]) {
        self.telemetry.line(if source == Source::Extension { Kind::Extension } else { Kind::Function }, line);
        match source {
            Source::Stdout => self.settings.printer.print(line),
            Source::Stderr => self.settings.printer.print_error(line),
            Source::Extension => return self.settings.printer.print(line),
        }
        // Whose it is is not known where there are several.
        for held in self.held.borrow_mut().values_mut() {
            if let Some(tail) = &mut held.tail {
                tail.push(line);
            }
        }
    }

    pub(super) fn place(&self) {
        if let Some(fleet) = self.fleet.upgrade() {
            fleet.place();
        }
    }

    /// Whoever waits for an answer of this environment is told that none will come.
    pub(crate) fn abandon(&self) {
        let mut dropped = 0;
        for held in self.held.borrow_mut().values_mut() {
            let caller = held.caller.take();
            dropped += usize::from(matches!(caller, Some(Caller::Nobody { .. })));
        }
        if dropped > 0 {
            log::warn!("{dropped} events are cut off, for which nobody waits");
        }
    }

    /// From here on nothing is given to the process.
    pub(super) fn begin_end(&self) {
        if self.life.get() == Life::Open {
            self.life.set(Life::Ending);
        }
    }

    /// Has the driver end the program for good.
    pub(crate) fn stop(&self) {
        if self.life.get() != Life::Stopped {
            self.life.set(Life::Stopping);
            self.wake.notify_one();
        }
    }

    /// Waits until the driver has done so.
    pub(crate) async fn ended(&self) {
        loop {
            let ended = self.ended.notified();
            if self.life.get() == Life::Stopped {
                return;
            }
            ended.await;
        }
    }
}

impl Held {
    fn assignment(&self) -> Assignment {
        Assignment { invocation: Rc::clone(&self.invocation), deadline_ms: self.deadline_ms }
    }
}
