//! One environment with its process: carries out what the state machine says.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Instant;

use lambwire::ApiError;
use rustix::process::Pid;
use tokio::sync::{Notify, oneshot};

use super::{Fleet, Settings, records};
use crate::answer::{Answer, Complaint};
use crate::environment::{ConnectionId, Environment, Id, Next, Refusal};
use crate::event::Invocation;
use crate::few::Few;
use crate::limits;
use crate::logs::{Reader, Tail};
use crate::process::Program;
use crate::queue::{Caller, Job, Place, now_ms};
use crate::report;
use crate::runtime_api::RuntimeApi;
use crate::telemetry::Telemetry;

mod extensions;
mod outcome;
mod page;
mod rest;
mod start;

/// One environment of a function.
pub(crate) struct Member {
    fleet: Weak<Fleet>,
    pub(in crate::fleet) settings: Rc<Settings>,
    pub(in crate::fleet) environment: RefCell<Environment>,
    /// `None` if the runtime is started by somebody else.
    pub(in crate::fleet) program: RefCell<Option<Program>>,
    pub(crate) runtime_api: RuntimeApi,
    /// Invocations that are claimed or in flight.
    held: RefCell<Few<Id, Box<Held>>>,
    pub(in crate::fleet) waiters: RefCell<Few<ConnectionId, oneshot::Sender<Assignment>>>,
    /// Connections on which extensions wait for an event.
    pub(in crate::fleet) listeners: RefCell<Few<ConnectionId, oneshot::Sender<Vec<u8>>>>,
    /// Wakes the driver.
    pub(in crate::fleet) wake: Notify,
    /// When the driver wakes up by itself.
    pub(in crate::fleet) armed: Cell<Option<Instant>>,
    pub(in crate::fleet) life: Cell<Life>,
    /// The program's process, until its end is known.
    pub(in crate::fleet) pid: Cell<Option<Pid>>,
    /// Those of extensions.
    pub(in crate::fleet) extension_pids: RefCell<Vec<Pid>>,
    /// When the program was started, until its first invocation is over.
    pub(in crate::fleet) started_at: Cell<Option<Instant>>,
    /// How the start ended has been reported.
    pub(in crate::fleet) is_start_reported: Cell<bool>,
    /// The error that the program has reported instead of starting, until that has been logged.
    pub(in crate::fleet) init_complaint: RefCell<Option<Complaint>>,
    /// What has been logged of the start before, if that failed as well.
    pub(in crate::fleet) reported_complaint: RefCell<Option<String>>,
    /// The end of what the program has printed since its start, until its first invocation is over.
    pub(in crate::fleet) printed: RefCell<Tail>,
    /// Processes that are stopped.
    frozen: RefCell<Vec<Pid>>,
    /// The program has changed: another process is to follow this one.
    pub(in crate::fleet) is_stale: Cell<bool>,
    pub(in crate::fleet) memory: Cell<Memory>,
    pub(in crate::fleet) outputs: RefCell<Vec<Rc<Reader>>>,
    pub(in crate::fleet) telemetry: Telemetry,
    /// The tenant that it serves, once it has served one.
    pub(in crate::fleet) tenant: RefCell<Option<Option<String>>>,
    pub(in crate::fleet) ended: Notify,
    /// Room for lines of the platform.
    lines: Cell<String>,
}

/// Where an environment is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::fleet) enum Life {
    Open,
    /// The process is being ended, and another one may follow.
    Ending,
    /// The emulator is at its end.
    Stopping,
    Stopped,
}

/// What is known of the memory of the processes.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::fleet) struct Memory {
    read_at: Option<Instant>,
    max_mb: Option<u64>,
}

/// An invocation, and who waits for its answer.
struct Held {
    invocation: Arc<Invocation>,
    caller: Option<Caller>,
    place: Option<Place>,
    deadline_ms: u64,
    /// The end of the log, if the caller wants it.
    tail: Option<Tail>,
    /// The end of what the program has printed meanwhile.
    printed: Tail,
    /// The error that it has reported.
    complaint: Option<Complaint>,
    /// How long the body of its response or report was.
    produced_bytes: u64,
    /// The answer that waits for the rest of that.
    answer: Option<Answer>,
    /// Whoever hands on the body of its response hears by the loss of this that the caller takes no more.
    streaming: Option<oneshot::Sender<()>>,
    shown: Option<page::Shown>,
}

/// What a runtime is given.
pub(crate) struct Assignment {
    pub(crate) invocation: Arc<Invocation>,
    /// When it times out, in milliseconds since the Unix epoch.
    pub(crate) deadline_ms: u64,
}

/// Why an extension does not hear what happens.
pub(crate) enum Unsubscribed {
    Refused(Refusal),
    Invalid(String),
}

/// What a runtime gets that asks for an invocation, or an extension that asks for an event.
pub(crate) enum Due<T> {
    Now(T),
    /// It gets one by this, or is sent away when this ends.
    Later(oneshot::Receiver<T>),
}

impl Member {
    pub(crate) fn new(fleet: &Rc<Fleet>, program: Option<Program>, runtime_api: RuntimeApi) -> Rc<Self> {
        let settings = Rc::clone(&fleet.settings);
        let environment = Environment::new(settings.capacity, settings.timeouts, program.is_none(), Instant::now());
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
            started_at: Cell::default(),
            is_start_reported: Cell::default(),
            init_complaint: RefCell::default(),
            reported_complaint: RefCell::default(),
            printed: RefCell::default(),
            frozen: RefCell::default(),
            is_stale: Cell::default(),
            memory: Cell::default(),
            outputs: RefCell::default(),
            telemetry: Telemetry::default(),
            tenant: RefCell::default(),
            ended: Notify::new(),
            lines: Cell::default(),
        })
    }

    /// Whether it would take this job at once.
    pub(crate) fn is_ready_for(&self, job: &Job) -> bool {
        self.life.get() == Life::Open && self.environment.borrow().is_ready() && self.suits(job)
    }

    /// Whether it may serve the tenant of this job. AWS's emulator has one environment for all.
    pub(crate) fn suits(&self, job: &Job) -> bool {
        let tenant = self.tenant.borrow();
        self.settings.is_rie || tenant.as_ref().is_none_or(|tenant| *tenant == job.invocation.event().tenant_id)
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

    /// Whether a caller would wait for a program that somebody else starts, and has not, or not again.
    pub(crate) fn is_deserted(&self) -> bool {
        self.program.borrow().is_none() && self.environment.borrow().lacks_runtime()
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
        let started = Arc::clone(&invocation);
        let shown = self.settings.feed.is_on().then(|| self.begin_showing(&invocation));
        let held = Held {
            invocation,
            caller: Some(caller),
            place,
            deadline_ms: 0,
            tail,
            printed: Tail::default(),
            complaint: None,
            produced_bytes: 0,
            answer: None,
            streaming: None,
            shown,
        };
        self.held.borrow_mut().add(Arc::clone(&id), Box::new(held));
        self.say(Some(&id), |lines| report::start(lines, &id, started.version()));
        id
    }

    fn give(&self, id: &Id) {
        let now = Instant::now();
        let mut all_held = self.held.borrow_mut();
        let Some(held) = all_held.get_mut(id) else { return };
        // Only where nobody waits may it be longer.
        let longest = match held.caller {
            Some(Caller::Nobody { .. }) => limits::MANAGED_TIMEOUT,
            _ => limits::MAX_TIMEOUT,
        };
        let own = held.invocation.event().timeout;
        let timeout =
            self.settings.timeouts.invocation.into_iter().chain(own).min().map(|timeout| timeout.min(longest));
        self.thaw();
        // Without a time-out, a deadline that no program takes for near.
        let timeout_ms = timeout.unwrap_or(limits::MAX_TIMEOUT).as_millis();
        held.deadline_ms = now_ms().saturating_add(u64::try_from(timeout_ms).unwrap_or(u64::MAX));
        self.tenant.borrow_mut().get_or_insert_with(|| held.invocation.event().tenant_id.clone());
        let connection = self.environment.borrow_mut().assign(id, held.invocation.nonce(), timeout, now);
        if let Some(waiter) = connection.and_then(|connection| self.waiters.borrow_mut().remove(&connection)) {
            // The connection forgets its waiter before it ends.
            let _ = waiter.send(held.assignment());
        }
        let invocation = Arc::clone(&held.invocation);
        drop(all_held);
        self.record("start", Some(id), || records::start(&invocation));
        let due = now + timeout.map_or(limits::MEMORY_LOOK, |timeout| timeout.min(limits::MEMORY_LOOK));
        if self.armed.get().is_none_or(|armed| armed > due) {
            self.wake.notify_one();
        }
        if self.has_extension() {
            self.act();
        }
    }

    /// The runtime asks for an invocation, on this connection.
    pub(crate) fn next(&self, connection: ConnectionId) -> Result<Due<Assignment>, ApiError<'static>> {
        let is_first = self.environment.borrow().ready_at().is_none();
        let next = self.environment.borrow_mut().next(connection, Instant::now())?;
        if is_first {
            self.tell_restored();
        }
        if let Next::Again(id) = next
            && let Some(held) = self.held.borrow().get(&id)
        {
            return Ok(Due::Now(held.assignment()));
        }
        let (waiter, given) = oneshot::channel();
        self.waiters.borrow_mut().add(connection, waiter);
        self.tell_init();
        self.act();
        self.fill();
        Ok(Due::Later(given))
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
                    None => break,
                },
            }
        }
        if self.is_at_rest() || self.is_stale.get() {
            self.wake.notify_one();
        }
    }

    /// This connection does not wait any more.
    pub(crate) fn forget(&self, connection: ConnectionId) {
        let was_waiting = self.waiters.borrow_mut().remove(&connection).is_some();
        if self.listeners.borrow_mut().remove(&connection).is_some() || was_waiting {
            self.environment.borrow_mut().forget(connection);
        }
    }

    pub(in crate::fleet) fn place(&self) {
        if let Some(fleet) = self.fleet.upgrade() {
            fleet.place();
        }
    }

    /// Whoever waits for an answer of this environment learns that none will come.
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
    pub(in crate::fleet) fn begin_end(&self) {
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
        Assignment { invocation: Arc::clone(&self.invocation), deadline_ms: self.deadline_ms }
    }
}
