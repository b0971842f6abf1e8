//! The program: how it is started, ended and looked at.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::process::{self, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use smol::Timer;
use smol::future;
use smol::process::{Child, Command};

use crate::console::Console;
use crate::exit::Exit;

/// What a function has in its configuration, and its program finds in its environment.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) handler: Option<String>,
    pub(crate) memory_mb: u32,
    pub(crate) task_root: Option<String>,
    pub(crate) runtime_dir: Option<String>,
    /// How many invocations its process takes at a time, on managed instances.
    pub(crate) concurrency: Option<usize>,
}

/// A program that can be started again and again.
#[derive(Debug)]
pub(crate) struct Program {
    command: Command,
    console: Console,
}

impl Program {
    /// Completes `command` with the environment that Lambda sets. Its own environment, and that of this process, stay.
    pub(crate) fn new(
        mut command: process::Command,
        function: &Function,
        runtime_api: SocketAddr,
        console: Console,
    ) -> Self {
        set_environment(&mut command, function, runtime_api);
        // A group of its own: all of it can be killed, and a terminal's interrupt goes to the emulator alone.
        command.process_group(0);
        Self { command: Command::from(command), console }
    }

    /// What the program is called.
    pub(crate) fn name(&self) -> String {
        self.command.get_program().to_string_lossy().into_owned()
    }

    pub(crate) fn start(&mut self) -> io::Result<Process> {
        self.command.stdin(Stdio::null());
        self.command.stdout(self.console.program_output());
        self.command.stderr(Stdio::inherit());
        let child = self.command.spawn()?;
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        Ok(Process { child, group })
    }
}

/// Where a program finds what it is to run. AWS's emulator, too, lets what it inherits go before the last argument.
const HANDLER: &str = "_HANDLER";

/// Says how many invocations a process may be given at a time.
const MAX_CONCURRENCY: &str = "AWS_LAMBDA_MAX_CONCURRENCY";

/// Sets what AWS sets (AWS, "Defined runtime environment variables"), as far as it means something here.
fn set_environment(command: &mut process::Command, function: &Function, runtime_api: SocketAddr) {
    let inherited = variable(command, HANDLER);
    let last_argument = command.get_args().last().map(OsStr::to_owned);
    let handler = function.handler.as_ref().map(Into::into).or(inherited).or(last_argument);
    command
        .env(lambwire::ENV_RUNTIME_API, runtime_api.to_string())
        .env(HANDLER, handler.unwrap_or_default())
        .env("AWS_LAMBDA_FUNCTION_NAME", &function.name)
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", function.memory_mb.to_string())
        .env("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", function.name))
        .env("AWS_LAMBDA_LOG_STREAM_NAME", "$LATEST");
    match function.concurrency {
        Some(concurrency) => command
            .env("AWS_LAMBDA_INITIALIZATION_TYPE", "lambda-managed-instances")
            .env(MAX_CONCURRENCY, concurrency.to_string()),
        // Only managed instances take several invocations at a time.
        None => command.env("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand").env_remove(MAX_CONCURRENCY),
    };
    for (key, value) in [("LAMBDA_TASK_ROOT", &function.task_root), ("LAMBDA_RUNTIME_DIR", &function.runtime_dir)] {
        if let Some(value) = value {
            command.env(key, value);
        }
    }
    for (key, value) in [("AWS_REGION", DEFAULT_REGION), ("AWS_DEFAULT_REGION", DEFAULT_REGION), ("TZ", ":UTC")] {
        if variable(command, key).is_none() {
            command.env(key, value);
        }
    }
}

/// The region of a function whose environment names none.
const DEFAULT_REGION: &str = "us-east-1";

/// The region of a function whose program is this, or is started by somebody else.
pub(crate) fn region(command: Option<&process::Command>) -> String {
    let named = match command {
        Some(command) => variable(command, "AWS_REGION"),
        None => env::var_os("AWS_REGION"),
    };
    let named = named.and_then(|region| region.into_string().ok());
    named.unwrap_or_else(|| DEFAULT_REGION.to_owned())
}

/// What `command` would find under `key`.
fn variable(command: &process::Command, key: &str) -> Option<OsString> {
    match command.get_envs().find(|(name, _)| *name == key) {
        Some((_, value)) => value.map(OsStr::to_owned),
        None => env::var_os(key),
    }
}

/// A program that runs, or has ended. Dropped, it is killed, with all that it has started.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    /// Its process group, until that has been killed for good.
    group: Option<Pid>,
}

impl Process {
    /// Waits until the program has ended, and kills what it has left running.
    pub(crate) async fn exited(&mut self) -> Exit {
        let exit = self.child.status().await.map_or(Exit::Unknown, Exit::from);
        self.kill();
        // From here on the number may come to stand for another group.
        self.group = None;
        exit
    }

    /// Whether the program has ended.
    pub(crate) fn has_exited(&mut self) -> bool {
        matches!(self.child.try_status(), Ok(Some(_)))
    }

    /// Kills the program and all that it has started.
    pub(crate) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Asks the program to end by itself, and waits for that as long as `grace`.
    pub(crate) async fn ask_to_end(&mut self, grace: Duration) {
        self.signal(Signal::TERM);
        let grace = async {
            Timer::after(grace).await;
        };
        let exited = async {
            self.child.status().await.ok();
        };
        future::or(exited, grace).await;
    }

    /// The most memory that the program itself has had, in MB; `None` where there is no `/proc`, or no process.
    pub(crate) fn max_memory_mb(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kb: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kb.div_ceil(1024))
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // Fails if nothing is left of the group.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set_for(command: &mut process::Command, handler: Option<&str>) -> impl Fn(&str) -> Option<String> {
        let function = Function {
            name: "f".to_owned(),
            handler: handler.map(str::to_owned),
            memory_mb: 256,
            task_root: Some("/var/task".to_owned()),
            runtime_dir: None,
            concurrency: None,
        };
        set_environment(command, &function, ([127, 0, 0, 1], 9001).into());
        let set: Vec<(String, Option<String>)> = command
            .get_envs()
            .map(|(key, value)| {
                let text = |text: &OsStr| text.to_str().unwrap().to_owned();
                (text(key), value.map(text))
            })
            .collect();
        move |key| set.iter().find(|(name, _)| name == key).and_then(|(_, value)| value.clone())
    }

    #[test]
    fn a_program_finds_what_lambda_sets() {
        let mut command = process::Command::new("./bootstrap");
        command.args(["-v", "app.handler"]).env("AWS_REGION", "eu-west-1");
        let set = set_for(&mut command, None);
        for (key, value) in [
            ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001"),
            ("_HANDLER", "app.handler"),
            ("AWS_LAMBDA_FUNCTION_NAME", "f"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/f"),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "$LATEST"),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
            ("AWS_REGION", "eu-west-1"),
            ("LAMBDA_TASK_ROOT", "/var/task"),
        ] {
            assert_eq!(set(key).as_deref(), Some(value), "{key}");
        }
        assert_eq!(set("LAMBDA_RUNTIME_DIR"), None);
    }

    #[test]
    fn the_handler_is_the_one_named_else_the_inherited_else_the_last_argument() {
        let command = || {
            let mut command = process::Command::new("./bootstrap");
            command.env_remove(HANDLER);
            command
        };
        let inheriting = || {
            let mut command = command();
            command.env(HANDLER, "c");
            command
        };
        assert_eq!(set_for(inheriting().arg("a"), Some("b"))(HANDLER).as_deref(), Some("b"));
        assert_eq!(set_for(inheriting().arg("a"), None)(HANDLER).as_deref(), Some("c"));
        assert_eq!(set_for(command().arg("a"), None)(HANDLER).as_deref(), Some("a"));
        assert_eq!(set_for(&mut command(), None)(HANDLER).as_deref(), Some(""));
    }
}
