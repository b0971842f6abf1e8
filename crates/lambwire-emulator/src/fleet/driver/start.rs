//! How the processes of an environment begin.

use std::rc::Rc;
use std::time::Instant;

use tokio::task::spawn_local;

use super::Driver;
use crate::answer::Failure;
use crate::environment::Awaited;
use crate::fleet::member::Member;
use crate::limits;
use crate::logs::{Cut, Reader, Source};
use crate::process::Outputs;
use crate::start_error::StartError;

impl Driver {
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
        self.is_out_of_use = false;
        self.slow_at = Some(Instant::now() + limits::SLOW_START);
        Ok(())
    }

    /// Says which of the processes a start waits for, if it does.
    pub(super) fn tell_slow(&mut self) {
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
                Some(Awaited::Registration) => &format!("registered as {name}"),
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
                "{}: started {seconds} s ago, has not asked for an event yet; a runtime finds where by \
                 AWS_LAMBDA_RUNTIME_API",
                program.name()
            ),
            None => log::info!("no runtime has come"),
        }
    }

    pub(super) fn start_program(&mut self) -> Result<(), StartError> {
        self.is_held_back = false;
        if let Some(program) = &mut *self.member.program.borrow_mut() {
            let (process, outputs) = program.start()?;
            read(&self.member, outputs, [Source::Stdout, Source::Stderr]);
            self.member.pid.set(process.pid());
            self.process = Some(process);
        }
        Ok(())
    }

    pub(super) fn fail_to_start(&mut self, error: &StartError) {
        log::error!("{error}");
        let failure = match error {
            StartError::Extension { path, error } => Failure::BadExtension(format!("fork/exec {path}: {error}")),
            StartError::Program { name, error } => Failure::BadEntrypoint(format!("fork/exec {name}: {error}")),
            error => Failure::BadEntrypoint(error.to_string()),
        };
        self.extension_processes.clear();
        self.member.extension_pids.borrow_mut().clear();
        self.is_out_of_use = true;
        self.member.environment.borrow_mut().fail_claim(&failure);
        self.member.act();
        self.reset();
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
