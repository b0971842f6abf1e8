//! Leads an environment through its life: its processes are started when they are needed, and ended when they are late.

use std::future::{self, Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Instant;

use tokio::task::{spawn_local, yield_now};
use tokio::time::{sleep_until, timeout};

use super::member::{Life, Member};
use crate::answer::Failure;
use crate::environment::{Awaited, ShutdownReason};
use crate::exit::Exit;
use crate::limits;
use crate::logs::{Cut, Reader, Source};
use crate::process::{Outputs, Process, Program};
use crate::queue::now_ms;
use crate::report::TIMED_OUT;
use crate::start_error::StartError;

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
            reason: ShutdownReason::Spindown,
        }
    }

    pub(crate) fn member(&self) -> Rc<Member> {
        Rc::clone(&self.member)
    }

    /// Starts the extensions, and the program, if it has none to wait for.
    pub(crate) fn start(&mut self) -> Result<(), StartError> {
        self.member.memory.take();
        self.member.is_stale.set(false);
        // An extension in the process of the runtime may subscribe as well.
        self.member.telemetry.reset(true);
        self.member.begin_start();
        self.member.outputs.borrow_mut().clear();
        for (name, program) in &mut self.extensions {
            let (process, outputs) = program.start()?;
            read(&self.member, outputs, [Source::Extension; 2]);
            self.member.extension_pids.borrow_mut().extend(process.pid());
            self.extension_processes.push((name.clone(), process));
        }
        self.is_held_back = !self.extensions.is_empty();
        if !self.is_held_back {
            self.start_program()?;
        }
        self.is_started = true;
        self.slow_at = Some(Instant::now() + limits::SLOW_START);
        Ok(())
    }

    /// Says which of the processes a start waits for, if it does.
    fn tell_slow(&mut self) {
        self.slow_at = None;
        // The program may have reported an error, and stayed.
        self.member.tell_init_complaint();
        let environment = self.member.environment.borrow();
        if environment.has_init_error() {
            return;
        }
        let seconds = self.member.start_duration().as_secs();
        for (name, extension) in &self.extensions {
            let awaited = match environment.extensions.awaited(name) {
                Some(Awaited::Registration) => "registered",
                Some(Awaited::Next) => "asked for an event",
                None => continue,
            };
            log::warn!("extension {}: started {seconds} s ago, has not {awaited}", extension.name());
        }
        if environment.started_at().is_some() || self.is_held_back {
            return;
        }
        match &*self.member.program.borrow() {
            Some(program) => log::warn!(
                "{}: started {seconds} s ago, has not asked for an event: no runtime client in it?",
                program.name()
            ),
            None => log::info!("no runtime has come"),
        }
    }

    fn start_program(&mut self) -> Result<(), StartError> {
        self.is_held_back = false;
        if let Some(program) = &mut *self.member.program.borrow_mut() {
            let (process, outputs) = program.start()?;
            read(&self.member, outputs, [Source::Stdout, Source::Stderr]);
            self.member.pid.set(process.pid());
            self.process = Some(process);
        }
        Ok(())
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

    async fn wait(&mut self) -> Woken {
        let deadline = self.member.environment.borrow().deadline();
        let look_at = self.member.look_at();
        self.member.armed.set(deadline.into_iter().chain(look_at).min());
        tokio::select! {
            biased;
            exit = exited(&mut self.process) => Woken::Exited(exit),
            (name, exit) = any_exited(&mut self.extension_processes) => Woken::ExtensionExited(name, exit),
            () = self.member.wake.notified() => Woken::Called,
            () = at(deadline) => Woken::Late,
            () = at(self.slow_at) => Woken::Slow,
            () = at(look_at) => Woken::Look,
        }
    }

    /// Ends and starts the program as it is wished for.
    async fn follow(&mut self) {
        let member = Rc::clone(&self.member);
        let is_claimed = || member.environment.borrow().claimed().is_some();
        let is_spent = is_claimed() && member.environment.borrow().has_init_error();
        if member.life.get() == Life::Ending || member.life.get() == Life::Open && is_spent {
            if is_spent || member.environment.borrow().extensions.init_failure().is_some() {
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
        let mut is_wanted = is_claimed() || member.program.borrow().is_none() || member.is_stale.get();
        while member.life.get() != Life::Stopping && is_wanted && !self.is_started {
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

    fn fail_to_start(&mut self, error: &StartError) {
        log::error!("{error}");
        let failure = match error {
            StartError::Extension { path, error } => Failure::BadExtension(format!("fork/exec {path}: {error}")),
            StartError::Program { name, error } => Failure::BadEntrypoint(format!("fork/exec {name}: {error}")),
            error => Failure::BadEntrypoint(error.to_string()),
        };
        self.extension_processes.clear();
        self.member.extension_pids.borrow_mut().clear();
        self.is_started = false;
        self.member.environment.borrow_mut().fail_claim(&failure);
        self.member.act();
        self.member.place();
    }

    /// The program has ended: what it sent before counts, and all else has failed.
    async fn after(&mut self, exit: Exit) {
        self.reason = ShutdownReason::Failure;
        self.member.begin_end();
        if let Some(process) = &mut self.process {
            process.kill();
        }
        self.drain().await;
        self.member.tell_init_failure("Runtime.ExitError");
        let is_idle = self.member.is_idle();
        if is_idle && !self.member.environment.borrow().has_init_error() {
            log::error!("{exit}, with no invocation under way; the next one starts the program again");
        }
        self.advise(exit);
        self.member.environment.borrow_mut().exited(exit, Instant::now());
        self.member.act();
        self.process = None;
        self.member.pid.set(None);
        self.restart().await;
    }

    /// Says what may have been meant with a program that has ended as if all were done, and has nothing of a runtime.
    fn advise(&self, exit: Exit) {
        let environment = self.member.environment.borrow();
        if exit != Exit::Code(0) || environment.started_at().is_some() || environment.has_init_error() {
            return;
        }
        if let Some(advice) = self.member.program.borrow().as_ref().and_then(Program::advice_at_end) {
            log::warn!("the program has ended, and has not asked for an event: {advice}");
        }
    }

    /// Without one of its extensions an environment is of no use.
    async fn after_extension(&mut self, name: &str, exit: Exit) {
        log::error!("extension {name} has ended: {}", exit.status());
        self.reason = ShutdownReason::Failure;
        self.member.begin_end();
        let failure = self.member.environment.borrow().extensions.failure(name, exit);
        self.member.fail_by_extension(&failure);
        self.restart().await;
    }

    /// Ends the program, by asking it to only if it has an extension, and makes everything ready for another process.
    async fn restart(&mut self) {
        self.member.begin_end();
        self.end_processes(self.member.has_extension()).await;
        self.reset();
    }

    /// Ends all processes: the program is asked to first, and then the extensions are, as far as they want to be.
    async fn end_processes(&mut self, is_asked: bool) {
        let member = Rc::clone(&self.member);
        member.thaw();
        if let Some(process) = &mut self.process {
            if is_asked {
                process.ask_to_end(member.settings.end_grace).await;
            }
            process.end().await;
            self.drain_program().await;
        }
        self.process = None;
        if !self.extension_processes.is_empty() {
            let is_failing = member.environment.borrow().extensions.init_failure().is_some();
            // One that has said that it cannot start ends by itself.
            if is_failing || member.environment.borrow().extensions.want_shutdown() {
                // The last word before the end.
                member.telemetry.flush(limits::TELEMETRY_FLUSH).await;
                let patience_ms = u64::try_from(limits::SHUTDOWN.as_millis()).unwrap_or(u64::MAX);
                member.environment.borrow_mut().shut_down(self.reason, now_ms().saturating_add(patience_ms));
                member.act();
                let all = async {
                    for (_, process) in &mut self.extension_processes {
                        process.exited().await;
                    }
                };
                // Who takes longer is killed.
                let _ = timeout(limits::SHUTDOWN, all).await;
            }
            for (_, mut process) in std::mem::take(&mut self.extension_processes) {
                process.end().await;
            }
            member.extension_pids.borrow_mut().clear();
            self.drain().await;
        }
        self.reason = ShutdownReason::Spindown;
    }

    /// Receives what the program sent before it ended, as far as extensions do not hold connections of their own.
    async fn drain_program(&self) {
        if self.extension_processes.is_empty() {
            self.drain().await;
        } else {
            yield_now().await;
            self.member.drain_outputs();
        }
    }

    /// Receives what processes sent before they ended.
    async fn drain(&self) {
        // The kernel may have reported connections that nobody has looked at.
        for _ in 0..3 {
            yield_now().await;
        }
        if self.extension_processes.is_empty() {
            self.member.runtime_api.drain().await;
        }
        self.member.drain_outputs();
    }

    /// Makes everything ready for another process.
    fn reset(&mut self) {
        let member = &self.member;
        member.tell_init_complaint();
        self.process = None;
        self.is_started = false;
        self.slow_at = None;
        self.is_held_back = false;
        member.pid.set(None);
        member.runtime_api.disconnect();
        member.telemetry.reset(false);
        member.waiters.borrow_mut().clear();
        member.listeners.borrow_mut().clear();
        member.outputs.borrow_mut().clear();
        member.tenant.take();
        let now = Instant::now();
        let names = self.extensions.iter().map(|(name, _)| name.clone()).collect();
        member.environment.borrow_mut().reset(names, now);
        if member.life.get() == Life::Ending {
            member.life.set(Life::Open);
        }
        member.place();
    }

    /// Ends the program for good: it is asked to in any case.
    async fn end(mut self) {
        let member = Rc::clone(&self.member);
        self.end_processes(true).await;
        // Last words.
        yield_now().await;
        member.drain_outputs();
        member.tell_init_complaint();
        member.runtime_api.disconnect();
        member.life.set(Life::Stopped);
        member.ended.notify_waiters();
    }
}

/// Hands on what a process writes.
fn read(member: &Rc<Member>, outputs: Outputs, sources: [Source; 2]) {
    let [stdout, stderr] = sources;
    let lines = [Reader::new(outputs.stdout, stdout, Cut::Lines), Reader::new(outputs.stderr, stderr, Cut::Lines)];
    let frames = outputs.frames.map(|frames| Reader::new(frames, stdout, Cut::Frames));
    for reader in lines.into_iter().chain(frames).map(Rc::new) {
        member.outputs.borrow_mut().push(Rc::clone(&reader));
        let member = Rc::clone(member);
        spawn_local(async move {
            reader.run(|source, line: &[u8]| member.log(source, line)).await;
        });
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
