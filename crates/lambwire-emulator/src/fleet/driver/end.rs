//! How the processes of an environment end: by themselves, or because they are to.

use std::rc::Rc;
use std::time::Instant;

use tokio::task::yield_now;
use tokio::time::timeout;

use super::Driver;
use crate::environment::ShutdownReason;
use crate::exit::Exit;
use crate::fleet::member::Life;
use crate::limits;
use crate::process::Program;
use crate::queue::now_ms;

impl Driver {
    /// The program has ended: what it sent before counts, and all else has failed.
    pub(super) async fn after(&mut self, exit: Exit) {
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
    pub(super) async fn after_extension(&mut self, name: &str, exit: Exit) {
        let next = if self.member.program.borrow().is_some() { "" } else { "; the next caller has it started again" };
        log::error!("extension {name} has ended: {}{next}", exit.status());
        self.reason = ShutdownReason::Failure;
        self.member.begin_end();
        let failure = self.member.environment.borrow().extensions.failure(name, exit);
        self.is_out_of_use = true;
        self.member.fail_by_extension(&failure);
        self.restart().await;
    }

    /// Ends the program, by asking it to only if it has an extension, and makes everything ready for another process.
    pub(super) async fn restart(&mut self) {
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
    pub(super) fn reset(&mut self) {
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
    pub(super) async fn end(mut self) {
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
