//! What happens to invocations, one after the other: the program is there, takes one, answers, asks for the next.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use smol::Timer;
use smol::channel::Receiver;
use smol::future::FutureExt;

use crate::answer::{Failure, Reported};
use crate::callers::{Job, now_ms};
use crate::console::{Console, Record, Status};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::supervisor::Supervisor;

/// What the driver goes by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) timeout: Duration,
    pub(crate) init_timeout: Duration,
    pub(crate) end_grace: Duration,
    pub(crate) memory_mb: u32,
    pub(crate) console: Console,
}

/// Leads one environment through its invocations.
pub(crate) struct Driver {
    pub(crate) settings: Settings,
    pub(crate) jobs: Receiver<Job>,
    pub(crate) environment: Rc<RefCell<Environment>>,
    /// Tells of changes in the environment.
    pub(crate) changes: Receiver<()>,
    pub(crate) supervisor: Supervisor,
}

/// How waiting for the runtime ended.
enum End {
    /// It is where it was waited for.
    Reached,
    /// It cannot start, and has said why.
    InitError,
    /// Its program has ended.
    Exited(Exit),
    TimedOut(Duration),
}

impl Driver {
    /// Carries out invocations until no more can come.
    pub(crate) async fn run(&mut self) {
        while let Some(job) = self.next_job().await {
            self.carry_out(job).await;
        }
    }

    /// Ends the program.
    pub(crate) async fn end(&mut self) {
        self.supervisor.end().await;
    }

    async fn next_job(&mut self) -> Option<Job> {
        loop {
            let job = async { Ok(self.jobs.recv().await.ok()) };
            let exit = async { Err(self.supervisor.exited().await) };
            match job.or(exit).await {
                Ok(job) => return job,
                Err(exit) => {
                    log::error!("{exit}, with no invocation under way; the next one starts the program again");
                    self.bury().await;
                }
            }
        }
    }

    async fn carry_out(&mut self, job: Job) {
        let Job { invocation, caller, slot } = job;
        let mut record =
            Record { request_id: invocation.id().to_owned(), memory_mb: self.settings.memory_mb, ..Record::default() };
        self.settings.console.start(invocation.id());
        self.environment.borrow_mut().expect(invocation.id(), caller);
        let begun_at = Instant::now();
        let mut end = match self.prepare(begun_at).await {
            Ok(end) => end,
            Err(failure) => return self.conclude(record, Some(failure)),
        };
        if matches!(end, End::Reached) {
            let mut invocation = invocation;
            let timeout = self.settings.timeout;
            let given_at = Instant::now();
            invocation.set_deadline(now_ms().saturating_add(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)));
            self.environment.borrow_mut().give(invocation);
            end = self.until_ready(given_at + timeout, timeout).await;
            record.duration = given_at.elapsed();
        }
        let ready_at = self.environment.borrow().ready_at();
        record.init = self.supervisor.init_duration(ready_at);
        record.max_memory_mb = self.supervisor.max_memory_mb();
        let failure = self.close(end).await;
        self.conclude(record, failure);
        drop(slot);
    }

    /// Sees to it that a runtime waits for an invocation.
    async fn prepare(&mut self, begun_at: Instant) -> Result<End, Failure> {
        let is_spent = self.environment.borrow().has_init_error();
        if is_spent || self.supervisor.is_gone() {
            self.clear_away().await;
            self.supervisor.start()?;
        }
        // A start that began with nobody waiting is not held against the caller.
        let allowed = self.settings.init_timeout.max(self.settings.timeout);
        Ok(self.until_ready(begun_at + allowed, allowed).await)
    }

    /// What is to be said to a caller who has no answer, and what has to be cleared away.
    async fn close(&mut self, end: End) -> Option<Failure> {
        match end {
            // It has asked for another invocation without having answered this one to the end.
            End::Reached => self.environment.borrow().has_caller().then_some(Failure::Truncated),
            // The caller has got the report. The program may end by itself, until it is needed again.
            End::InitError => None,
            End::Exited(exit) => {
                self.bury().await;
                Some(Failure::Exited(exit))
            }
            End::TimedOut(timeout) => {
                let failure = Failure::TimedOut(timeout);
                self.environment.borrow_mut().answer(Reported::Failed(failure.clone()));
                self.clear_away().await;
                Some(failure)
            }
        }
    }

    /// Answers the caller, if nothing has, and says what has happened.
    fn conclude(&self, mut record: Record, failure: Option<Failure>) {
        if let Some(failure) = failure {
            log::error!("{}", failure.message(&record.request_id));
            record.status = Status::from(&failure);
            self.environment.borrow_mut().answer(Reported::Failed(failure));
        }
        self.settings.console.report(&record);
    }

    /// Waits until the runtime asks for an invocation, or something comes between.
    async fn until_ready(&mut self, deadline: Instant, allowed: Duration) -> End {
        loop {
            if self.environment.borrow().is_ready() {
                return End::Reached;
            }
            if self.environment.borrow().is_given_up() {
                return End::InitError;
            }
            let change = async {
                self.changes.recv().await.ok();
                None
            };
            let exit = async { Some(End::Exited(self.supervisor.exited().await)) };
            let timeout = async {
                Timer::at(deadline).await;
                Some(End::TimedOut(allowed))
            };
            match change.or(exit).or(timeout).await {
                None => {}
                Some(End::Exited(exit)) => return self.after(exit).await,
                Some(end) => return end,
            }
        }
    }

    /// What a program has come to that has ended: what it sent before counts.
    async fn after(&mut self, exit: Exit) -> End {
        self.supervisor.runtime_api.settle().await;
        if self.environment.borrow().is_given_up() { End::InitError } else { End::Exited(exit) }
    }

    /// Ends the program, and makes the environment ready for another.
    async fn clear_away(&mut self) {
        self.supervisor.clear_away().await;
        self.environment.borrow_mut().reset();
    }

    /// Makes the environment ready for another program, this one having ended.
    async fn bury(&mut self) {
        self.supervisor.bury().await;
        self.environment.borrow_mut().reset();
    }
}
