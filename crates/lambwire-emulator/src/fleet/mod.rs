//! The environments of one function: which of them takes what waits, and when another is started.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::net::TcpListener;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::spawn_local;
use tokio::time::sleep;

use crate::answer::Answer;
use crate::console::Printer;
use crate::environment::{Capacity, Timeouts};
use crate::event::Invocation;
use crate::limits;
use crate::page::Feed;
use crate::queue::{Caller, Job};

pub(crate) mod dead_letter;
pub(crate) mod driver;
pub(crate) mod member;
mod records;

use dead_letter::{Cause, DeadLetters};
use driver::Driver;
use member::Member;

/// What the environments of a function go by.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) capacity: Capacity,
    /// How the function's environments begin.
    pub(crate) start: Start,
    pub(crate) freeze: Freeze,
    pub(crate) timeouts: Timeouts,
    pub(crate) end_grace: Duration,
    pub(crate) memory_mb: u32,
    pub(crate) registration: Registration,
    pub(crate) metadata_token: String,
    /// Whether a line of JSON is an object for subscribers.
    pub(crate) has_objects: bool,
    /// Whether this is in place of AWS's emulator.
    pub(crate) is_rie: bool,
    /// The Availability Zone in which the function runs.
    pub(crate) zone_id: String,
    pub(crate) printer: Printer,
    /// What the page shows.
    pub(crate) feed: Arc<Feed>,
    /// Where events go that are given up.
    pub(crate) dead_letters: Option<DeadLetters>,
    /// Whether the concurrency that is reserved is zero, so that no event runs.
    pub(crate) runs_nothing: bool,
}

/// How the environments of a function begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Start {
    /// A runtime may be frozen in a snapshot when it has started.
    pub(crate) is_snap: bool,
    /// Even the first environment begins when a caller comes.
    pub(crate) is_lazy: bool,
}

/// What happens to an environment that has nothing to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Freeze {
    /// It goes on.
    #[default]
    Never,
    /// Its processes are stopped until there is something to do.
    Processes,
    /// They are, and lose their connections to the Runtime API meanwhile.
    Connections,
}

/// What an extension learns of the function.
#[derive(Debug)]
pub(crate) struct Registration {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) handler: String,
}

/// Every environment that there may be, and those who wait for one.
pub(crate) struct Fleet {
    pub(crate) settings: Rc<Settings>,
    members: RefCell<Vec<Rc<Member>>>,
    queue: RefCell<VecDeque<Job>>,
    is_stopped: Cell<bool>,
    /// It is being watched, or has been said, that callers wait for long.
    is_wait_watched: Cell<bool>,
    /// Tells that an invocation is over.
    finished: Notify,
    /// Events that wait for a retry.
    retrying: Cell<usize>,
    /// Most environments.
    most: usize,
    factory: Factory,
    this: Weak<Self>,
}

/// Makes an environment, whose Runtime API is at this listener or at any.
type Factory = Box<dyn Fn(&Rc<Fleet>, Option<TcpListener>) -> io::Result<Driver>>;

impl Fleet {
    pub(crate) fn new(
        settings: Settings,
        most: usize,
        factory: impl Fn(&Rc<Self>, Option<TcpListener>) -> io::Result<Driver> + 'static,
    ) -> Rc<Self> {
        Rc::new_cyclic(|this| Self {
            settings: Rc::new(settings),
            members: RefCell::default(),
            queue: RefCell::default(),
            is_stopped: Cell::new(false),
            is_wait_watched: Cell::new(false),
            finished: Notify::new(),
            retrying: Cell::new(0),
            most,
            factory: Box::new(factory),
            this: Weak::clone(this),
        })
    }

    /// Makes an environment, whose Runtime API is at this listener or at any. Its driver is the caller's to run.
    pub(crate) fn add(&self, listener: Option<TcpListener>) -> io::Result<Driver> {
        let this = self.this.upgrade().ok_or(io::ErrorKind::Other)?;
        let driver = (self.factory)(&this, listener)?;
        self.members.borrow_mut().push(driver.member());
        Ok(driver)
    }

    /// Whether several environments may be there at a time.
    pub(crate) fn has_several(&self) -> bool {
        self.most > 1
    }

    /// Makes another environment, if there may be one.
    fn grow(&self) -> Option<Rc<Member>> {
        if self.members.borrow().len() >= self.most {
            return None;
        }
        let driver = self.add(None).inspect_err(|error| log::error!("no more environments: {error}")).ok()?;
        let member = driver.member();
        spawn_local(driver.run());
        Some(member)
    }

    /// Takes an invocation: an environment that waits for one has it at once.
    pub(crate) fn submit(&self, job: Job) {
        if self.is_stopped.get() {
            return;
        }
        if self.settings.runs_nothing {
            return self.give_up(&job.invocation, Cause::NoConcurrency);
        }
        self.watch_desertion(&job);
        let ready = {
            let members = self.members.borrow();
            members.iter().find(|member| member.is_ready_for(&job)).map(Rc::clone)
        };
        match ready {
            Some(member) if self.queue.borrow().is_empty() => member.assign(job),
            _ => {
                self.queue.borrow_mut().push_back(job);
                self.place();
                self.watch_wait();
            }
        }
    }

    /// Has it said once of a caller who waits for long for a runtime that nobody here starts, and how one is attached.
    fn watch_desertion(&self, job: &Job) {
        let member = self.members.borrow().first().filter(|member| member.is_deserted()).map(Rc::clone);
        let Some(member) = member else { return };
        let (id, patience) = (Arc::clone(job.invocation.id()), self.patience());
        spawn_local(async move {
            sleep(patience).await;
            if let (true, Ok(address)) = (member.is_deserted(), member.runtime_api.address()) {
                log::warn!(
                    "RequestId: {id} waits, and no runtime is attached that asks for it: a runtime finds where by \
                     AWS_LAMBDA_RUNTIME_API={address}"
                );
            }
        });
    }

    /// After how long it is said that a caller waits.
    fn patience(&self) -> Duration {
        let timeout = self.settings.timeouts.invocation;
        timeout.map_or(limits::LONG_WAIT, |timeout| limits::LONG_WAIT.min(timeout / 2))
    }

    /// Has it said once if callers wait for long: one may be a function that calls itself, and so waits for itself.
    fn watch_wait(&self) {
        if self.is_wait_watched.get() || self.queue.borrow().is_empty() {
            return;
        }
        let Some(this) = self.this.upgrade() else { return };
        self.is_wait_watched.set(true);
        let patience = self.patience();
        spawn_local(async move {
            while !this.queue.borrow().is_empty() {
                sleep(patience).await;
                if this.tell_wait(patience) {
                    return;
                }
            }
            this.is_wait_watched.set(false);
        });
    }

    /// Says that callers have waited for so long while every environment was busy with one invocation, if that is so.
    fn tell_wait(&self, patience: Duration) -> bool {
        let is_long = |since: Instant| since.elapsed() >= patience;
        let members = self.members.borrow();
        let is_busy = |member: &Rc<Member>| member.environment.borrow().busy_since().is_some_and(is_long);
        let waits = |job: &&Job| !matches!(job.caller, Caller::Nobody { .. }) && is_long(job.invocation.created_at());
        let count = self.queue.borrow().iter().filter(waits).count();
        if count == 0 || !members.iter().all(is_busy) {
            return false;
        }
        let who = if count == 1 { "1 caller waits".to_owned() } else { format!("{count} callers wait") };
        let what = match self.most {
            1 => "the one environment, which is busy".to_owned(),
            most => format!("one of {most} environments, all of which are busy"),
        };
        // In place of RIE there is no such option.
        let may_have_more = !self.settings.is_rie && members.iter().any(|member| member.program.borrow().is_some());
        let advice =
            if may_have_more { ": --environments N gives more, as a function needs that calls itself" } else { "" };
        log::warn!("{who} for {what}{advice}");
        true
    }

    /// The first of those who wait that this environment may have.
    pub(crate) fn next_for(&self, member: &Member) -> Option<Job> {
        let mut queue = self.queue.borrow_mut();
        let at = queue.iter().position(|job| member.suits(job))?;
        queue.remove(at)
    }

    /// Has those who wait claim environments that have nothing to do and are not ready, which are started for them.
    pub(crate) fn place(&self) {
        // Those will soon ask by themselves.
        let mut soon = self.members.borrow().iter().filter(|member| member.is_finishing()).count();
        let mut at = 0;
        while !self.is_stopped.get() && self.can_place() {
            let mut queue = self.queue.borrow_mut();
            let Some(job) = queue.get(at) else { return };
            if soon > 0 && self.members.borrow().iter().any(|member| member.is_finishing() && member.suits(job)) {
                soon -= 1;
                at += 1;
                continue;
            }
            let Some(member) = self.claimable_for(job) else {
                at += 1;
                continue;
            };
            let Some(job) = queue.remove(at) else { return };
            drop(queue);
            member.claim(job);
        }
    }

    fn can_place(&self) -> bool {
        let members = self.members.borrow();
        members.len() < self.most || members.iter().any(|member| member.is_claimable() || member.is_replaceable())
    }

    /// An environment that this job may wait for: one that is starting, else one that has no process, else a new one, and
    /// last one of another tenant that is of no use to anybody now.
    fn claimable_for(&self, job: &Job) -> Option<Rc<Member>> {
        let find = |is_fit: &dyn Fn(&Member) -> bool| {
            let members = self.members.borrow();
            members.iter().find(|member| is_fit(member)).map(Rc::clone)
        };
        find(&|member| member.is_claimable() && member.has_process() && member.suits(job))
            .or_else(|| find(&|member| member.is_claimable() && member.suits(job)))
            .or_else(|| self.grow())
            .or_else(|| find(&|member| member.is_replaceable() && !member.suits(job)))
    }

    /// Tries an event again, after a while, that has failed so many times; or puts it where dead letters go.
    pub(crate) fn retry(&self, invocation: Arc<Invocation>, tries: usize, answer: &Answer) {
        let (Some(delay), Some(this)) = (limits::RETRY_DELAYS.get(tries), self.this.upgrade()) else {
            return self.give_up(&invocation, Cause::Failed { tries: tries + 1, answer });
        };
        self.retrying.set(self.retrying.get() + 1);
        spawn_local(async move {
            sleep(*delay).await;
            this.retrying.set(this.retrying.get() - 1);
            let caller = Caller::Nobody { tries: tries + 1 };
            this.submit(Job { invocation: Arc::new(invocation.again()), caller, place: None });
        });
    }

    fn give_up(&self, invocation: &Invocation, cause: Cause<'_>) {
        dead_letter::keep(self.settings.dead_letters.as_ref(), invocation, cause);
    }

    /// Whether nobody waits, and nothing is in flight.
    fn is_idle(&self) -> bool {
        self.retrying.get() == 0
            && self.queue.borrow().is_empty()
            && self.members.borrow().iter().all(|member| member.is_idle())
    }

    /// Says that an invocation is over.
    pub(crate) fn tell_finished(&self) {
        self.finished.notify_waiters();
    }

    /// Waits until nobody waits, and nothing is in flight.
    pub(crate) async fn drained(&self) {
        loop {
            let finished = self.finished.notified();
            if self.is_idle() {
                return;
            }
            finished.await;
        }
    }

    /// Takes no more. Whoever waits for an answer that has not come learns so.
    pub(crate) fn stop(&self) {
        self.is_stopped.set(true);
        let dropped =
            self.queue.borrow_mut().drain(..).filter(|job| matches!(job.caller, Caller::Nobody { .. })).count();
        let dropped = dropped + self.retrying.get();
        if dropped > 0 {
            log::warn!("{dropped} events are dropped, for which nobody waits");
        }
        for member in self.members.borrow().iter() {
            member.abandon();
        }
    }

    /// The program has changed.
    pub(crate) fn renew(&self) {
        for member in self.members.borrow().iter() {
            member.renew();
        }
    }

    /// Ends every environment.
    pub(crate) async fn end(&self) {
        self.is_stopped.set(true);
        let members = self.members.borrow().clone();
        for member in &members {
            member.stop();
        }
        for member in &members {
            member.ended().await;
        }
    }
}
