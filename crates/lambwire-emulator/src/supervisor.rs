//! The program in its life: started, seen to end, cleared away.

use std::rc::Rc;
use std::time::{Duration, Instant};

use smol::future;

use crate::answer::Failure;
use crate::exit::Exit;
use crate::process::{Process, Program};
use crate::runtime_api::RuntimeApi;

/// The program, its process while there is one, and the connections that came from it.
pub(crate) struct Supervisor {
    pub(crate) runtime_api: Rc<RuntimeApi>,
    /// `None` if the runtime is started by somebody else.
    pub(crate) program: Option<Program>,
    pub(crate) process: Option<Process>,
    /// When the program was started, until its first invocation is over.
    pub(crate) started_at: Option<Instant>,
    /// How long the program has to end by itself when it is asked to.
    pub(crate) end_grace: Duration,
}

impl Supervisor {
    /// Waits until the process has ended, for ever if there is none.
    pub(crate) async fn exited(&mut self) -> Exit {
        match &mut self.process {
            Some(process) => process.exited().await,
            None => future::pending().await,
        }
    }

    /// Whether there is a program and no process of it. One that has ended may not have been noticed as yet.
    pub(crate) fn is_gone(&mut self) -> bool {
        self.program.is_some() && self.process.as_mut().is_none_or(Process::has_exited)
    }

    /// Starts the program.
    pub(crate) fn start(&mut self) -> Result<(), Failure> {
        if let Some(program) = &mut self.program {
            let started = program.start();
            self.process = Some(started.map_err(|error| {
                log::error!("cannot start {}: {error}", program.name());
                Failure::BadEntrypoint(format!("fork/exec {}: {error}", program.name()))
            })?);
        }
        Ok(())
    }

    /// Ends the program, by asking it to only if it has an extension, and parts with its connections.
    pub(crate) async fn clear_away(&mut self) {
        if let Some(process) = &mut self.process {
            if self.runtime_api.has_extension() {
                process.ask_to_end(self.end_grace).await;
            }
            process.kill();
            process.exited().await;
        }
        self.bury().await;
    }

    /// Receives what the program sent before it ended, and parts with its connections.
    pub(crate) async fn bury(&mut self) {
        if self.process.take().is_some() {
            self.runtime_api.settle().await;
        }
        self.runtime_api.disconnect();
        self.started_at = Some(Instant::now());
    }

    /// Ends the program for good: it is asked to in any case.
    pub(crate) async fn end(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.ask_to_end(self.end_grace).await;
            process.kill();
            process.exited().await;
        }
    }

    /// How long the program took to start, if it has not been said.
    pub(crate) fn init_duration(&mut self, ready_at: Option<Instant>) -> Option<Duration> {
        let ready_at = ready_at?;
        let started_at = self.started_at.take()?;
        Some(ready_at.saturating_duration_since(started_at))
    }

    pub(crate) fn max_memory_mb(&self) -> Option<u64> {
        self.process.as_ref().and_then(Process::max_memory_mb)
    }
}
