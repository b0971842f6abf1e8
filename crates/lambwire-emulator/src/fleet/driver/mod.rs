//! Leads an environment through its life: its processes are started when they are needed, and ended when they are late.

use std::future::{self, Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Instant;

use tokio::task::yield_now;
use tokio::time::sleep_until;

use super::member::{Life, Member};
use crate::environment::ShutdownReason;
use crate::exit::Exit;
use crate::process::{Process, Program};
use crate::report::TIMED_OUT;

mod end;
mod start;

/// The processes of an environment, and what becomes of them.
pub(crate) struct Driver {
    member: Rc<Member>,
    process: Option<Process>,
    /// Programs that are extensions, each with its name.
    extensions: Vec<(String, Program)>,
    extension_processes: Vec<(String, Process)>,
    /// What is to be started is: a program that somebody else starts counts as well.
    is_started: bool,
    /// The program waits for its extensions to register.
    is_held_back: bool,
    /// When it is said that the start takes long, if it still does.
    slow_at: Option<Instant>,
    /// Without an extension that works nothing is started for a program that nobody here starts, until a caller wants it.
    is_out_of_use: bool,
    /// Why the environment ends, once it does.
    reason: ShutdownReason,
}

/// What the driver is woken by.
enum Woken {
    Exited(Exit),
    ExtensionExited(String, Exit),
    Called,
    Late,
    /// The start has not failed, and takes long.
    Slow,
    /// An invocation takes long.
    Look,
}

impl Driver {
    pub(crate) fn new(member: Rc<Member>, extensions: Vec<(String, Program)>) -> Self {
        let names = extensions.iter().map(|(name, _)| name.clone()).collect();
        member.environment.borrow_mut().reset(names, Instant::now());
        Self {
            member,
            process: None,
            extensions,
            extension_processes: Vec::new(),
            is_started: false,
            is_held_back: false,
            slow_at: None,
            is_out_of_use: false,
            reason: ShutdownReason::Spindown,
        }
    }

    pub(crate) fn member(&self) -> Rc<Member> {
        Rc::clone(&self.member)
    }

    /// Goes on until the emulator ends.
    pub(crate) async fn run(mut self) {
        while self.member.life.get() != Life::Stopping {
            match self.wait().await {
                Woken::Called => {}
                Woken::Exited(exit) => self.after(exit).await,
                Woken::ExtensionExited(name, exit) => self.after_extension(&name, exit).await,
                Woken::Slow => self.tell_slow(),
                Woken::Look => {
                    // It may be over, and another under way.
                    if self.member.look_at().is_some_and(|at| at <= Instant::now()) {
                        self.member.read_memory();
                    }
                }
                Woken::Late if self.has_stood_still() => {}
                Woken::Late => {
                    self.reason = ShutdownReason::Timeout;
                    if self.slow_at.is_some() {
                        self.tell_slow();
                    }
                    self.member.tell_init_failure(TIMED_OUT);
                    self.member.environment.borrow_mut().tick(Instant::now());
                    self.member.act();
                }
            }
            self.follow().await;
        }
        self.end().await;
    }

    /// Whether it is the emulator that was late, and what seems to be has more time.
    fn has_stood_still(&self) -> bool {
        self.member.environment.borrow_mut().put_off(Instant::now())
    }

    async fn wait(&mut self) -> Woken {
        let deadline = self.member.environment.borrow().deadline();
        let look_at = self.member.look_at();
        self.member.armed.set(deadline.into_iter().chain(look_at).min());
        tokio::select! {
            biased;
            exit = exited(&mut self.process) => Woken::Exited(exit),
            (name, exit) = any_exited(&mut self.extension_processes) => Woken::ExtensionExited(name, exit),
            () = self.member.wake.notified() => Woken::Called,
            () = self.member.telemetry.sent() => Woken::Called,
            () = at(deadline) => Woken::Late,
            () = at(self.slow_at) => Woken::Slow,
            () = at(look_at) => Woken::Look,
        }
    }

    /// Ends and starts the program as it is wished for.
    async fn follow(&mut self) {
        let member = Rc::clone(&self.member);
        let is_claimed = || member.environment.borrow().claimed().is_some();
        let has_init_error = member.environment.borrow().has_init_error();
        let is_spent = is_claimed() && has_init_error;
        if member.life.get() == Life::Ending || member.life.get() == Life::Open && is_spent {
            self.is_out_of_use |= member.environment.borrow().extensions.init_failure().is_some();
            if has_init_error || self.is_out_of_use {
                self.reason = ShutdownReason::Failure;
            }
            self.restart().await;
        }
        self.rest().await;
        let has_registered = member.environment.borrow().extensions.have_registered();
        if self.is_held_back
            && has_registered
            && let Err(error) = self.start_program()
        {
            self.fail_to_start(&error);
        }
        // Somebody else may start the program at any time.
        let may_come = member.program.borrow().is_none() && !self.is_out_of_use;
        let mut is_wanted = is_claimed() || may_come || member.is_stale.get();
        while member.life.get() != Life::Stopping && is_wanted && !self.is_started {
            // It has come before extensions could register.
            if self.is_out_of_use && member.environment.borrow().started_at().is_some() {
                self.reset();
            }
            if let Err(error) = self.start() {
                self.fail_to_start(&error);
            }
            is_wanted = is_claimed();
        }
    }

    /// Ends what has changed and has nothing to do, freezes what is at rest, and restores what waits for that.
    async fn rest(&mut self) {
        let member = Rc::clone(&self.member);
        if member.is_stale.get() && member.life.get() == Life::Open && self.is_started && member.is_idle() {
            log::warn!("the program has changed, and is started again");
            self.restart().await;
        }
        if member.is_at_rest() {
            // What has been said to it is to be sent first.
            yield_now().await;
            if member.is_at_rest() {
                member.freeze();
            }
        }
        let is_awaited = member.environment.borrow().claimed().is_some() && member.environment.borrow().is_snapshot();
        if is_awaited && member.life.get() == Life::Open {
            member.restore();
        }
    }
}

/// Waits until then, for ever if that is never.
async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant.into()).await,
        None => future::pending().await,
    }
}

/// Waits until the process has ended, for ever if there is none.
async fn exited(process: &mut Option<Process>) -> Exit {
    match process {
        Some(process) => process.exited().await,
        None => future::pending().await,
    }
}

/// Waits until one of these processes has ended, for ever if there is none.
async fn any_exited(processes: &mut [(String, Process)]) -> (String, Exit) {
    poll_fn(|context| {
        for (name, process) in processes.iter_mut() {
            // What has been waited for is kept in the process.
            if let Poll::Ready(exit) = pin!(process.exited()).poll(context) {
                return Poll::Ready((name.clone(), exit));
            }
        }
        Poll::Pending
    })
    .await
}
