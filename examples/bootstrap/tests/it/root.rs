//! A task root with files in it, and the bootstrap serving from it.

use std::fs;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use lambwire_emulator::{Answer, Console, Emulator, Event, Outcome, Running};

/// How long anything may take that a test waits for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

/// What a runtime asks for an event with.
pub(crate) const NEXT: &str = "GET /2018-06-01/runtime/invocation/next";

pub(crate) const BOOTSTRAP: &str = env!("CARGO_BIN_EXE_bootstrap");

/// A directory that is removed at the end.
pub(crate) struct Root(PathBuf);

impl Root {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        // On the file system of the program, so that it can be linked to.
        let path =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bootstrap-test-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path.canonicalize().unwrap())
    }

    pub(crate) fn with(self, name: &str, contents: impl AsRef<[u8]>) -> Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
        self
    }

    pub(crate) fn with_program(self, name: &str, contents: impl AsRef<[u8]>) -> Self {
        let root = self.with(name, contents);
        fs::set_permissions(root.path(name), PermissionsExt::from_mode(0o755)).unwrap();
        root
    }

    /// One that everybody may execute.
    pub(crate) fn make_fifo(&self, name: &str) {
        let made = Command::new("mkfifo").args(["-m", "755"]).arg(self.path(name)).status().unwrap();
        assert!(made.success());
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The bootstrap with these arguments, on the emulator.
    pub(crate) fn serve(&self, arguments: &[&str]) -> Running {
        self.emulator(arguments).start().unwrap()
    }

    /// The emulator that is to run the bootstrap with these arguments.
    pub(crate) fn emulator(&self, arguments: &[&str]) -> Emulator {
        let mut command = Command::new(BOOTSTRAP);
        command.args(arguments).env_remove("_HANDLER");
        let root = self.0.to_str().unwrap();
        Emulator::new(command).handler("").task_root(root).timeout(PATIENCE).console(Console::Silent)
    }

    /// The bootstrap with a Runtime API that answers as the test does.
    pub(crate) fn start(&self, arguments: &[&str], is_snap_start: bool) -> (Child, Api) {
        self.start_by(Command::new(BOOTSTRAP).args(arguments), is_snap_start)
    }

    /// The same by a command that runs it.
    pub(crate) fn start_by(&self, command: &mut Command, is_snap_start: bool) -> (Child, Api) {
        let api = TcpListener::bind("127.0.0.1:0").unwrap();
        api.set_nonblocking(true).unwrap();
        let child = command
            .env("AWS_LAMBDA_RUNTIME_API", api.local_addr().unwrap().to_string())
            .env("AWS_LAMBDA_INITIALIZATION_TYPE", if is_snap_start { "snap-start" } else { "on-demand" })
            .env("LAMBDA_TASK_ROOT", &self.0)
            .env_remove("_HANDLER")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        (child, Api(api))
    }

    /// What the bootstrap says with these arguments, where there is no emulator.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.bootstrap_alone());
        command.args(arguments).env("LAMBDA_TASK_ROOT", &self.0).env_remove("_HANDLER");
        command.env_remove("AWS_LAMBDA_RUNTIME_API").env("PATH", "/usr/bin:/bin");
        command
    }

    /// The bootstrap in a directory of its own, where no emulator was built beside it.
    pub(crate) fn bootstrap_alone(&self) -> PathBuf {
        let path = self.path("alone/bootstrap");
        if !path.exists() {
            fs::create_dir_all(self.path("alone")).unwrap();
            fs::hard_link(BOOTSTRAP, &path).unwrap();
        }
        path
    }
}

/// A Runtime API to which the bootstrap connects in time.
pub(crate) struct Api(TcpListener);

impl Api {
    #[track_caller]
    pub(crate) fn accept(&self) -> TcpStream {
        let mut accepted = None;
        wait_for("a connection", || {
            accepted = self.0.accept().ok();
            accepted.is_some()
        });
        let (stream, _) = accepted.unwrap();
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }
}

/// How a process ends, which it does in time.
#[track_caller]
pub(crate) fn end_of(child: &mut Child) -> ExitStatus {
    let mut status = None;
    wait_for("its end", || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    status.unwrap()
}

impl AsRef<Path> for Root {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The option by which the bootstrap gives up on an event so long before its deadline. Others have [`PATIENCE`].
pub(crate) fn margin() -> String {
    format!("--deadline-margin={}", MARGIN.as_millis())
}

const MARGIN: Duration = Duration::from_secs(150);

/// The time of an event on which a bootstrap with that [`margin`] gives up after two seconds.
pub(crate) const BRIEF: Duration = Duration::from_secs(152);

pub(crate) fn brief(event: &str) -> Event {
    Event::new(event).timeout(BRIEF)
}

/// Sends an event and expects this answer.
#[track_caller]
pub(crate) fn expect_answer(running: &Running, event: &str, expected: &str) {
    let answer = running.invoke_blocking(Event::new(event)).unwrap();
    let body = String::from_utf8_lossy(&answer.body);
    assert_eq!((answer.outcome, &*body), (Outcome::Success, expected));
}

/// Sends an event and expects an error of this type, whose report has all of `parts` in it.
#[track_caller]
pub(crate) fn expect_error(running: &Running, event: &str, error_type: &str, parts: &[&str]) -> Answer {
    expect_error_of(running, Event::new(event), error_type, parts)
}

/// The same of an event with more to it.
#[track_caller]
pub(crate) fn expect_error_of(running: &Running, event: Event, error_type: &str, parts: &[&str]) -> Answer {
    let answer = running.invoke_blocking(event).unwrap();
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    assert_eq!(answer.outcome, Outcome::Failure, "{body}");
    assert!(body.contains(&format!("\"errorType\":\"{error_type}\"")), "{body}");
    for part in parts {
        assert!(body.contains(part), "{part:?} is not in {body}");
    }
    answer
}

/// Has an event time out once its handler has said these words and has made the file `said`: a busy machine may not let it
/// come so far at first.
#[track_caller]
pub(crate) fn expect_timed_out_saying(root: &Root, running: &Running, event: &str, words: &str) {
    loop {
        let answer = expect_error_of(running, brief(event), "Function.TimedOut", &[]);
        if root.path("said").exists() {
            let body = String::from_utf8(answer.body).unwrap();
            return assert!(body.contains(words), "{words:?} is not in {body}");
        }
    }
}

/// Reads what comes at once, which begins so.
#[track_caller]
pub(crate) fn expect_request(connection: &mut TcpStream, line: &str) {
    let request = request(connection);
    assert!(request.starts_with(line), "{request}");
}

/// What comes at once, with all that is no text escaped.
pub(crate) fn request(connection: &mut TcpStream) -> String {
    let mut request = [0; 4096];
    let len = connection.read(&mut request).unwrap();
    request[..len].escape_ascii().to_string()
}

/// Waits until the other end of a connection over the loopback interface has read what was sent.
#[track_caller]
pub(crate) fn wait_until_read(connection: &TcpStream) {
    let [own, other] =
        [connection.local_addr(), connection.peer_addr()].map(|end| format!(":{:04X}", end.unwrap().port()));
    wait_for("a look at what was sent", || {
        let table = fs::read_to_string("/proc/net/tcp").unwrap();
        let mut ends = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        // Its own address, the other's, a state, and bytes to be sent and to be read.
        ends.any(|end| end[1].ends_with(&other) && end[2].ends_with(&own) && end[4].ends_with(":00000000"))
    });
}

#[track_caller]
pub(crate) fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let patience = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < patience, "{what} never came about");
        sleep(Duration::from_millis(5));
    }
}
