//! A subject's process: how it is started, and what the kernel knows of it.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::Pid;

use crate::subjects::Subject;

pub struct Process {
    child: Child,
    clock: ClockId,
}

impl Process {
    /// Starts a subject; with `calls`, under strace, which leaves its table of system calls there.
    pub fn start(
        programs: &Path,
        subject: &Subject,
        api: &str,
        at_once: usize,
        calls: Option<&Path>,
    ) -> Result<Self, Box<dyn Error>> {
        let program = programs.join(subject.program);
        let mut command = Command::new(if calls.is_some() { Path::new("/usr/bin/strace") } else { &program });
        if let Some(calls) = calls {
            command.args(["-I2", "-f", "-c", "-o"]).arg(calls).arg(&program);
        }
        command
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", api)
            .env("_HANDLER", subject.handler)
            .env("AWS_LAMBDA_FUNCTION_NAME", "echo")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_REGION", "us-east-1")
            .env("TZ", ":UTC")
            .stdin(Stdio::null());
        if at_once > 1 {
            command.env("AWS_LAMBDA_MAX_CONCURRENCY", at_once.to_string());
        }
        let child = command.spawn().map_err(|error| format!("{}: {error}", program.display()))?;
        let clock = clock_getcpuclockid(pid(&child))?;
        Ok(Self { child, clock })
    }

    /// Fails if the process has ended, which it never should by itself.
    pub fn check(&mut self) -> Result<(), Box<dyn Error>> {
        match self.child.try_wait()? {
            Some(status) => Err(format!("the subject has ended: {status}").into()),
            None => Ok(()),
        }
    }

    /// CPU time of all threads, in user code and in the kernel.
    pub fn cpu(&self) -> nix::Result<Duration> {
        self.clock.now().map(Duration::from)
    }

    pub fn rss_kib(&self) -> Result<u64, Box<dyn Error>> {
        self.field("smaps_rollup", "Rss:")
    }

    /// The peak, by the kernel's account of it. `wait4` would tell of that of the parent, if it is larger.
    pub fn peak_rss_kib(&self) -> Result<u64, Box<dyn Error>> {
        Ok(self.field("status", "VmHWM:")?.max(self.rss_kib()?))
    }

    pub fn threads(&self) -> Result<u64, Box<dyn Error>> {
        self.field("status", "Threads:")
    }

    fn field(&self, file: &str, name: &str) -> Result<u64, Box<dyn Error>> {
        let path = format!("/proc/{}/{file}", self.child.id());
        let text = fs::read_to_string(&path)?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)).ok_or(format!("no {name} in {path}"))?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }
}

impl Drop for Process {
    /// strace ends what it runs, and leaves its table, when it is asked to end.
    fn drop(&mut self) {
        let _ = kill(pid(&self.child), Signal::SIGTERM);
        let _ = self.child.wait();
    }
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id().cast_signed())
}
