//! What happens to invocations that are under way at the same time: each is given to a connection that waits, and ends
//! by itself.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use smol::Timer;
use smol::channel::Receiver;
use smol::future::{self, FutureExt};

use super::environment::{Environment, Over};
use crate::answer::{Failure, Reported};
use crate::callers::Job;
use crate::console::{Record, Status};
use crate::driver::Settings;
use crate::exit::Exit;
use crate::supervisor::Supervisor;

/// Leads one environment through its invocations, up to so many at a time.
pub(crate) struct Driver {
    pub(crate) settings: Settings,
    pub(crate) concurrency: usize,
    pub(crate) jobs: Receiver<Job>,
    pub(crate) environment: Rc<RefCell<Environment>>,
    /// Tells of changes in the environment.
    pub(crate) changes: Receiver<()>,
    pub(crate) supervisor: Supervisor,
    /// A job that no connection waits for as yet.
    pub(crate) pending: Option<Job>,
    /// Since when the runtime has had nothing to do but to ask.
    pub(crate) idle_since: Instant,
}

/// What the driver was woken by.
enum Woken {
    Job(Box<Job>),
    /// Something has changed.
    Changed,
    Exited(Exit),
    /// Something has taken too long.
    Late,
}

impl Driver {
    /// Carries out invocations until no more can come.
    pub(crate) async fn run(&mut self) {
        while let Some(woken) = self.wake().await {
            match woken {
                Woken::Job(job) => self.take(*job).await,
                Woken::Changed => {}
                Woken::Exited(exit) => self.after(exit).await,
                Woken::Late => self.part_with_late().await,
            }
            self.go_on();
        }
    }

    /// Sends the runtime away, and ends the program. One that has last words for a SIGTERM gets that instead: sent away,
    /// it would end before.
    pub(crate) async fn end(&mut self) {
        if !self.supervisor.runtime_api.has_extension() {
            self.environment.borrow_mut().send_away();
            self.supervisor.runtime_api.settle().await;
        }
        self.supervisor.end().await;
    }

    /// Waits until there is something to do; `None` if there will never be.
    async fn wake(&mut self) -> Option<Woken> {
        let under_way = self.environment.borrow().under_way();
        let is_free = self.pending.is_none() && under_way < self.concurrency;
        // What is closed and empty says so at once, and again and again: it is not to be asked.
        let is_over = self.jobs.is_closed() && self.jobs.is_empty();
        if is_free && under_way == 0 && is_over {
            return None;
        }
        let deadline = self.deadline();
        let job = async {
            match is_free && !is_over {
                true => self.jobs.recv().await.map_or(Woken::Changed, |job| Woken::Job(Box::new(job))),
                false => future::pending().await,
            }
        };
        let change = async {
            self.changes.recv().await.ok();
            Woken::Changed
        };
        let exit = async { Woken::Exited(self.supervisor.exited().await) };
        let late = async {
            match deadline {
                Some(deadline) => Timer::at(deadline).await,
                None => future::pending().await,
            };
            Woken::Late
        };
        Some(change.or(exit).or(late).or(job).await)
    }

    fn deadline(&self) -> Option<Instant> {
        self.environment.borrow().deadline().or_else(|| self.pending.is_some().then(|| self.asking_deadline()))
    }

    /// When a runtime that has nothing to do, and does not ask although a job waits, has taken too long.
    fn asking_deadline(&self) -> Instant {
        self.idle_since + self.settings.init_timeout.max(self.settings.timeout)
    }

    /// Takes a job, for which the program is started if it is not there.
    async fn take(&mut self, job: Job) {
        self.settings.console.start(job.invocation.id());
        if self.environment.borrow().under_way() == 0 {
            self.idle_since = Instant::now();
        }
        let is_spent = self.environment.borrow().has_init_error();
        let is_gone = self.supervisor.is_gone();
        if is_gone && self.environment.borrow().under_way() > 0 {
            let exit = self.supervisor.exited().await;
            self.after(exit).await;
        }
        self.pending = Some(job);
        if is_spent || is_gone {
            self.clear_away().await;
            if let Err(failure) = self.supervisor.start() {
                self.fail_pending(failure);
            }
        }
    }

    /// Gives what can be given, and tells of what is over.
    fn go_on(&mut self) {
        let init_report = self.environment.borrow_mut().take_init_report();
        if let Some(report) = init_report {
            self.answer_pending(report, None);
        }
        if let Some(job) = self.pending.take() {
            self.pending = self.environment.borrow_mut().give(job, self.settings.timeout);
        }
        let over = self.environment.borrow_mut().take_over();
        for over in over {
            self.report(over);
            self.idle_since = Instant::now();
        }
    }

    /// The program has ended: what it sent before counts, and all else has failed.
    async fn after(&mut self, exit: Exit) {
        self.supervisor.runtime_api.settle().await;
        self.go_on();
        let failure = Failure::Exited(exit);
        if self.pending.is_none() && self.environment.borrow().under_way() == 0 {
            log::error!("{exit}, with no invocation under way; the next one starts the program again");
        }
        self.environment.borrow_mut().fail_all(&failure);
        self.fail_pending(failure);
        self.clear_away().await;
    }

    /// A runtime that takes too long for an invocation goes on; one that never asks for any is killed.
    async fn part_with_late(&mut self) {
        self.environment.borrow_mut().time_out(self.settings.timeout);
        let is_stuck = self.environment.borrow().under_way() == 0 && self.asking_deadline() <= Instant::now();
        if is_stuck && self.pending.is_some() {
            self.fail_pending(Failure::TimedOut(self.settings.init_timeout.max(self.settings.timeout)));
            self.clear_away().await;
        }
    }

    async fn clear_away(&mut self) {
        self.supervisor.clear_away().await;
        self.environment.borrow_mut().reset();
    }

    fn fail_pending(&mut self, failure: Failure) {
        self.answer_pending(Reported::Failed(failure.clone()), Some(failure));
    }

    /// Answers the caller of a job that was never given to the runtime.
    fn answer_pending(&mut self, reported: Reported, failure: Option<Failure>) {
        if let Some(job) = self.pending.take() {
            let request_id = job.invocation.id().to_owned();
            // A caller may have gone away.
            let _ = job.caller.try_send(reported.into_answer(request_id.clone()));
            self.report(Over { request_id, duration: Duration::ZERO, failure });
        }
    }

    fn report(&mut self, over: Over) {
        let Over { request_id, duration, failure } = over;
        let ready_at = self.environment.borrow().ready_at();
        let mut record = Record {
            request_id,
            init: self.supervisor.init_duration(ready_at),
            duration,
            memory_mb: self.settings.memory_mb,
            max_memory_mb: self.supervisor.max_memory_mb(),
            status: Status::Success,
        };
        if let Some(failure) = failure {
            log::error!("{}", failure.message(&record.request_id));
            record.status = Status::from(&failure);
        }
        self.settings.console.report(&record);
    }
}
