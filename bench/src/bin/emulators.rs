//! `emulators ECHO LAMBWIRE STATIC BEFORE FLOOR RIE CARGO_LAMBDA [--once]`: what an invocation costs whoever calls a function
//! on an emulator, as cargo and as pip install it, beside an older one, one in C that does nothing else, that of AWS and that
//! of cargo-lambda.
//!
//! All take turns, on one processor, with the same function and the same caller, which keeps its connection. No figure
//! passes or fails.

#[path = "../measure.rs"]
mod measure;

use std::error::Error;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use memchr::memmem;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::measure::{median, quantile, stay_on_one_processor, us};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Starts of each emulator, with as many runs.
const ROUNDS: usize = 9;

/// Invocations of a caller in a run who is alone, and of all where there are more.
const ALONE: usize = 3000;
const TOGETHER: usize = 6000;

/// Callers at a time. AWS's emulator ends at the second.
const CALLERS: [usize; 3] = [16, 200, 2000];

/// Between two tries to connect to an emulator that has been started.
const RETRY: Duration = Duration::from_micros(200);

/// Between a call that was refused since there were too many, and the next try. Where it was a millisecond, emulators did
/// nothing but refuse.
const REFUSED_PAUSE: Duration = Duration::from_millis(100);

/// How long an emulator may take to listen, or to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// How the function may take turns: as in the plain loop, or with the next request behind each response.
const EXPLICIT: &str = "echo";
const PIPELINED: &str = "serve";

/// Room for an answer, in bytes: most have some 350.
const ANSWER_BYTES: usize = 8192;

const CLOSED: &str = "the emulator has closed the connection";

/// The emulators, and what each calls the one function that is there.
const SUBJECTS: [(&str, &str); 6] = [
    ("lambwire-emulator", "function"),
    ("lambwire-emulator, static", "function"),
    ("lambwire-emulator, 256a25d", "function"),
    ("C", "function"),
    ("RIE", "function"),
    ("cargo lambda watch", "_"),
];

/// What a run has shown, in microseconds, invocations a second and KiB.
#[derive(Clone, Copy, Default)]
struct Outcome {
    first: f64,
    alone: f64,
    p50: f64,
    p99: f64,
    /// Calls that were answered; not a number from where one of the callers had no answer for long.
    together: [f64; CALLERS.len()],
    /// Calls that were refused meanwhile, since there were too many, and made again.
    refused: f64,
    /// With the fewest of them, where the function asks for the next event as it answers.
    pipelined: f64,
    rss: f64,
}

/// Processes that end with the run.
struct Running {
    handler: &'static str,
    processes: Vec<Child>,
}

fn main() -> Result<()> {
    let arguments = std::env::args_os().skip(1).map(PathBuf::from).collect::<Vec<_>>();
    let [programs @ .., rest] = arguments.as_slice() else {
        return Err("usage: emulators ECHO LAMBWIRE STATIC BEFORE FLOOR RIE CARGO_LAMBDA [--once]".into());
    };
    let once = rest.as_os_str() == "--once";
    let programs = if once { programs } else { &arguments };
    let (rounds, alone, together) = if once { (1, 20, 20) } else { (ROUNDS, ALONE, TOGETHER) };
    stay_on_one_processor()?;
    let mut outcomes = Vec::new();
    for _ in 0..rounds {
        for subject in 0..SUBJECTS.len() {
            outcomes.push(run(programs, subject, alone, together)?);
        }
    }
    let [some, many, most] = CALLERS;
    println!(
        "| | first answer, ms | inv/s | p50 µs | p99 µs | {some} callers | {many} callers | {most} callers | refused | \
         {some} callers, pipelined | RSS KiB |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
    for (subject, (name, _)) in SUBJECTS.iter().enumerate() {
        let median = |of: fn(&Outcome) -> f64| median(outcomes.iter().skip(subject).step_by(SUBJECTS.len()).map(of));
        println!(
            "| {name} | {:.1} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} |",
            median(|outcome| outcome.first) / 1e3,
            median(|outcome| outcome.alone),
            median(|outcome| outcome.p50),
            median(|outcome| outcome.p99),
            median(|outcome| outcome.together[0]),
            median(|outcome| outcome.together[1]),
            median(|outcome| outcome.together[2]),
            median(|outcome| outcome.refused),
            median(|outcome| outcome.pipelined),
            median(|outcome| outcome.rss),
        );
    }
    Ok(())
}

fn run(programs: &[PathBuf], subject: usize, alone: usize, together: usize) -> Result<Outcome> {
    let (name, function) = SUBJECTS[subject];
    let [front, api] = free_ports()?;
    let begun = Instant::now();
    let mut running = start(programs, subject, EXPLICIT, front, api)?;
    let mut caller = Caller::connect(front, function)?;
    caller.invoke()?;
    let first = us(begun.elapsed());

    for _ in 0..alone / 4 {
        caller.invoke()?;
    }
    let begun = Instant::now();
    let mut latencies = Vec::with_capacity(alone);
    for _ in 0..alone {
        let sent = Instant::now();
        caller.invoke()?;
        latencies.push(us(sent.elapsed()));
    }
    let per_second = |invocations: usize, begun: Instant| invocations as f64 / begun.elapsed().as_secs_f64();
    let alone_per_second = per_second(alone, begun);
    let mut outcome = Outcome {
        first,
        alone: alone_per_second,
        p50: quantile(latencies.iter().copied(), 0.5),
        p99: quantile(latencies.iter().copied(), 0.99),
        ..Outcome::default()
    };
    outcome.rss = running.rss_kib()?;
    outcome.together = [f64::NAN; CALLERS.len()];
    for (callers, figure) in CALLERS.into_iter().zip(&mut outcome.together) {
        let each = together.div_ceil(callers);
        let begun = Instant::now();
        if name == "RIE" {
            break;
        }
        let Some(refused) = meet(front, function, callers, each)? else { break };
        outcome.refused += refused as f64;
        *figure = per_second(callers * each, begun);
    }
    drop(running);

    outcome.pipelined = f64::NAN;
    // The one has been spared others, and the other takes 40 ms for each invocation.
    if !matches!(name, "RIE" | "cargo lambda watch") {
        let [front, api] = free_ports()?;
        let _running = start(programs, subject, PIPELINED, front, api)?;
        Caller::connect(front, function)?.invoke()?;
        let each = together.div_ceil(CALLERS[0]);
        let begun = Instant::now();
        if meet(front, function, CALLERS[0], each)?.is_some() {
            outcome.pipelined = per_second(CALLERS[0] * each, begun);
        }
    }
    Ok(outcome)
}

/// Has so many callers at a time be answered, each so often, and returns how many calls were refused; `None` if one of the
/// callers had no answer. They share one thread: with one each, it is they who are measured.
fn meet(front: u16, function: &str, callers: usize, each: usize) -> Result<Option<usize>> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let ends = runtime.block_on(async {
        let mut all = JoinSet::new();
        for number in 0..callers {
            let call = call(front, Request::new(front, function, number), each);
            all.spawn(async { timeout(PATIENCE, call).await? });
        }
        all.join_all().await
    });
    let lost = ends.iter().filter_map(|end| end.as_ref().err()).collect::<Vec<_>>();
    if let Some(why) = lost.first() {
        eprintln!("{} of {callers} callers were not answered, one since: {why}", lost.len());
        return Ok(None);
    }
    Ok(Some(ends.into_iter().flatten().sum()))
}

/// Calls until so many calls have been answered, and returns how many were refused.
async fn call(front: u16, request: Request, each: usize) -> Result<usize> {
    let mut stream = tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, front)).await?;
    stream.set_nodelay(true)?;
    let mut answer = Vec::new();
    let (mut answered, mut refused) = (0, 0);
    while answered < each {
        stream.write_all(request.text.as_bytes()).await?;
        answer.clear();
        while !request.is_answered(&answer)? {
            if stream.read_buf(&mut answer).await? == 0 {
                return Err(CLOSED.into());
            }
        }
        if is_refusal(&answer) {
            refused += 1;
            sleep(REFUSED_PAUSE).await;
        } else {
            answered += 1;
        }
    }
    Ok(refused)
}

/// Whether an answer says that there are too many callers.
fn is_refusal(answer: &[u8]) -> bool {
    answer.starts_with(b"HTTP/1.1 429 ")
}

fn start(programs: &[PathBuf], subject: usize, handler: &'static str, front: u16, api: u16) -> Result<Running> {
    let (Some(echo), Some(emulator)) = (programs.first(), programs.get(1 + subject)) else {
        return Err("seven programs are wanted".into());
    };
    let at = |port: u16| format!("127.0.0.1:{port}");
    let mut running = Running { handler, processes: Vec::new() };
    let mut command = Command::new(emulator);
    match subject {
        0..=2 => running.spawn(command.args(["--listen", &at(front), "--timeout", "60", "--"]).arg(echo))?,
        3 => running.spawn(command.args([front.to_string(), api.to_string()]).arg(echo))?,
        4 => {
            command.arg(format!("--runtime-interface-emulator-address={}", at(front)));
            running.spawn(command.arg(format!("--runtime-api-address={}", at(api))).arg(echo))?;
        }
        _ => {
            command.args(["lambda", "watch", "--only-lambda-apis", "-A", "127.0.0.1", "-P", &front.to_string()]);
            running.spawn(command.current_dir(project()?))?;
            Caller::connect(front, "_")?;
            let mut function = Command::new(echo);
            running.spawn(function.env("AWS_LAMBDA_RUNTIME_API", format!("http://{}/.rt", at(front))))?;
        }
    }
    Ok(running)
}

/// Something that cargo-lambda takes for a project; it builds nothing.
fn project() -> io::Result<PathBuf> {
    let path = std::env::temp_dir().join("lambwire-bench-project");
    fs::create_dir_all(path.join("src"))?;
    fs::write(path.join("src/main.rs"), "fn main() {}\n")?;
    fs::write(path.join("Cargo.toml"), "[package]\nname = \"echo\"\nversion = \"0.0.0\"\n")?;
    Ok(path)
}

fn free_ports() -> io::Result<[u16; 2]> {
    let listeners = [TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?];
    Ok([listeners[0].local_addr()?.port(), listeners[1].local_addr()?.port()])
}

impl Running {
    fn spawn(&mut self, command: &mut Command) -> io::Result<()> {
        command.env("_HANDLER", self.handler).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.processes.push(command.spawn()?);
        Ok(())
    }

    /// That of the emulator alone.
    fn rss_kib(&mut self) -> Result<f64> {
        let path = format!("/proc/{}/smaps_rollup", self.processes[0].id());
        let text = fs::read_to_string(Path::new(&path))?;
        let line = text.lines().find_map(|line| line.strip_prefix("Rss:")).ok_or("no Rss")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for child in self.processes.iter_mut().rev() {
            let _ = kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM);
            let _ = child.wait();
        }
    }
}

/// What a caller asks, and is to get back: events differ by whose they are.
struct Request {
    text: String,
    event: String,
}

impl Request {
    fn new(port: u16, function: &str, number: usize) -> Self {
        let event = format!(r#"{{"body":"{number:031}","isBase64Encoded":true}}"#);
        let text = format!(
            "POST /2015-03-31/functions/{function}/invocations HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: \
             {}\r\n\r\n{event}",
            event.len()
        );
        Self { text, event }
    }

    /// Whether what has come is the whole answer, which has to be this caller's event or a refusal.
    fn is_answered(&self, answer: &[u8]) -> Result<bool> {
        let Some(at) = memmem::find(answer, b"\r\n\r\n") else { return Ok(false) };
        let (head, body) = answer.split_at(at + 4);
        let head = str::from_utf8(head)?;
        let len = head.lines().filter_map(|line| line.split_once(':')).find_map(|(name, value)| {
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>())
        });
        if body.len() < len.unwrap_or(Ok(0))? {
            return Ok(false);
        }
        if is_refusal(answer) || body == self.event.as_bytes() {
            Ok(true)
        } else {
            Err(format!("answer: {}", answer.escape_ascii()).into())
        }
    }
}

/// Somebody who calls the function alone, over one connection.
struct Caller {
    stream: TcpStream,
    request: Request,
    answer: Vec<u8>,
}

impl Caller {
    /// Tries until somebody listens.
    fn connect(port: u16, function: &str) -> Result<Self> {
        let since = Instant::now();
        let stream = loop {
            match TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
                Ok(stream) => break stream,
                Err(error) if since.elapsed() > PATIENCE => return Err(error.into()),
                Err(_) => thread::sleep(RETRY),
            }
        };
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream, request: Request::new(port, function, 0), answer: vec![0; ANSWER_BYTES] })
    }

    fn invoke(&mut self) -> Result<()> {
        self.stream.write_all(self.request.text.as_bytes())?;
        let mut len = 0;
        while !self.request.is_answered(&self.answer[..len])? {
            match self.stream.read(&mut self.answer[len..])? {
                0 => return Err(CLOSED.into()),
                read => len += read,
            }
        }
        Ok(())
    }
}
