//! `proxies RUNTIME OURS PEER FLOOR [--once]`: what a proxy for the Runtime API adds to an invocation, beside one from
//! crates.io, and one in C that does nothing but pass bytes on.
//!
//! All take turns with the runtime alone, on one processor. No figure passes or fails.

#[path = "../exchange.rs"]
#[expect(dead_code, reason = "the other bench has more")]
mod exchange;
#[path = "../measure.rs"]
mod measure;

use std::error::Error;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::exchange::{ACCEPTED, Framing, Request, event, invocation, read};
use crate::measure::{median, quantile, stay_on_one_processor, us};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Runs of each, in turns.
const ROUNDS: usize = 9;

/// Bytes of an event, and invocations in a run. The first is what figures are given of, the last shows memory.
const SIZES: [(&str, usize, usize); 3] = [("64 B", 64, 12_000), ("10 KiB", 10 << 10, 4000), ("6 MiB", 6 << 20, 12)];

/// What a run came to.
struct Outcome {
    /// Median from before the event is sent until the answer is here, in microseconds.
    latency: f64,
    /// Of the proxy, in microseconds an invocation.
    cpu: f64,
    /// That the proxy's memory grew by, at its peak.
    grown_kib: f64,
}

/// A program in the place of a runtime, which is killed in the end, with what it has started.
struct Subject(Child);

impl Drop for Subject {
    fn drop(&mut self) {
        let children = self.proxies("");
        let _ = self.0.kill();
        let _ = self.0.wait();
        for child in children {
            let pid = nix::unistd::Pid::from_raw(child.cast_signed());
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
        }
    }
}

impl Subject {
    /// It and its children, but for those of this name.
    fn proxies(&self, runtime: &str) -> Vec<u32> {
        let own = self.0.id();
        let children = fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
        let all = children.split_whitespace().filter_map(|pid| pid.parse().ok()).chain([own]);
        let comm = |pid: &u32| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        all.filter(|pid| comm(pid).trim() != runtime).collect()
    }
}

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let mut path = || arguments.next().map(PathBuf::from).ok_or("usage: proxies RUNTIME OURS PEER FLOOR [--once]");
    let (runtime, ours, peer, floor) = (path()?, path()?, path()?, path()?);
    let once = arguments.next().is_some_and(|argument| argument == "--once");
    stay_on_one_processor()?;
    let subjects = [
        ("no proxy", None),
        ("floor", Some(floor)),
        ("examples/proxy", Some(ours)),
        ("aws-lambda-runtime-proxy 0.3.0", Some(peer)),
    ];
    for (title, len, invocations) in SIZES {
        let (rounds, invocations) = if once { (1, 5) } else { (ROUNDS, invocations) };
        let reply = invocation(0, &event(len), Framing::Exact);
        let round =
            |_| subjects.iter().map(|(_, proxy)| run(&runtime, proxy.as_ref(), &reply, len, invocations)).collect();
        let outcomes = (0..rounds).map(round).collect::<Result<Vec<Vec<_>>>>()?;
        println!("## Echo, {title}\n");
        println!("| | p50 µs | added p50 µs | × aws-lambda-runtime-proxy | CPU µs | × floor | peak − idle RSS, KiB |");
        println!("|---|---:|---:|---:|---:|---:|---:|");
        for (index, (name, _)) in subjects.iter().enumerate() {
            let of = |figure: fn(&[Outcome], usize) -> f64| median(outcomes.iter().map(|round| figure(round, index)));
            let added = |round: &[Outcome], index: usize| round[index].latency - round[0].latency;
            println!(
                "| {name} | {:.1} | {:.1} | {:.2} | {:.1} | {:.2} | {:.0} |",
                of(|round, index| round[index].latency),
                of(added),
                of(|round, index| (round[index].latency - round[0].latency) / (round[3].latency - round[0].latency)),
                of(|round, index| round[index].cpu),
                of(|round, index| round[index].cpu / round[1].cpu),
                of(|round, index| round[index].grown_kib),
            );
        }
        println!();
    }
    Ok(())
}

fn run(runtime: &PathBuf, proxy: Option<&PathBuf>, reply: &[u8], len: usize, invocations: usize) -> Result<Outcome> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    // A port that is free now.
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let mut command = Command::new(proxy.unwrap_or(runtime));
    command.args(proxy.map(|_| runtime)).stdin(Stdio::null()).env_clear().env("_HANDLER", "echo");
    command.env("AWS_LAMBDA_RUNTIME_API", listener.local_addr()?.to_string());
    let subject = Subject(command.env("AWS_LAMBDA_RUNTIME_PROXY_PORT", port.to_string()).spawn()?);
    let (stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    let mut api = Api { listener, stream, input: vec![0; len + (64 << 10)], begin: 0, end: 0 };
    api.request(None)?;
    let name = runtime.file_name().unwrap_or_default().to_string_lossy();
    let proxies = if proxy.is_some() { subject.proxies(&name) } else { Vec::new() };
    let idle = memory(&proxies, "VmRSS:")?;
    let warm_up = invocations / 4;
    let (mut latency, mut spent) = (Vec::new(), Duration::ZERO);
    for number in 0..warm_up + invocations {
        if number == warm_up {
            (latency, spent) = (Vec::new(), cpu(&proxies)?);
        }
        let sent = Instant::now();
        api.stream.write_all(reply)?;
        api.request(Some(len))?;
        latency.push(us(sent.elapsed()));
        api.stream.write_all(ACCEPTED)?;
        api.request(None)?;
    }
    #[expect(clippy::cast_precision_loss, reason = "they are a few thousand")]
    let cpu = us(cpu(&proxies)? - spent) / invocations as f64;
    let grown_kib = memory(&proxies, "VmHWM:")? - idle;
    Ok(Outcome { latency: quantile(latency.into_iter(), 0.5), cpu, grown_kib })
}

/// The API's end of one connection after the other.
struct Api {
    listener: TcpListener,
    stream: TcpStream,
    input: Vec<u8>,
    begin: usize,
    end: usize,
}

impl Api {
    /// Waits for the next request, and demands that it is a response of this length, or a `next`.
    fn request(&mut self, response: Option<usize>) -> Result<()> {
        loop {
            if let Some((request, len)) = read(&self.input[self.begin..self.end])? {
                let is_due = match (request, response) {
                    (Request::Next, None) => true,
                    (Request::Response { body, .. }, Some(len)) => body.len() == len,
                    _ => false,
                };
                self.begin += len;
                if self.begin == self.end {
                    (self.begin, self.end) = (0, 0);
                }
                return if is_due { Ok(()) } else { Err("a request out of turn, or a wrong answer".into()) };
            }
            match self.stream.read(&mut self.input[self.end..])? {
                0 if self.begin < self.end => return Err("the connection has ended in a request".into()),
                0 => {
                    (self.stream, _) = self.listener.accept()?;
                    self.stream.set_nodelay(true)?;
                }
                len => self.end += len,
            }
        }
    }
}

/// CPU time of all threads of these.
fn cpu(pids: &[u32]) -> Result<Duration> {
    let mut nanoseconds = 0;
    for pid in pids {
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            let text = fs::read_to_string(task?.path().join("schedstat"))?;
            nanoseconds += text.split_whitespace().next().ok_or("an empty schedstat")?.parse::<u64>()?;
        }
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// A figure of the memory of all of these, in KiB.
fn memory(pids: &[u32], name: &str) -> Result<f64> {
    let mut kib = 0.0;
    for pid in pids {
        let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)).ok_or("no such figure")?;
        kib += line.trim().trim_end_matches(" kB").parse::<f64>()?;
    }
    Ok(kib)
}
