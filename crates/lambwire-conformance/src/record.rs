//! Stands between a runtime and the API that it was given, and writes down each exchange.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::address::authority;
use crate::exchange::{self, Exchange, Masks};
use crate::message::{Kind, Message, ReadError, Reader};
use crate::process::{Process, SIGNALLED};

/// How long exchanges are waited for that are under way when the program ends.
const AFTER_END: Duration = Duration::from_millis(200);
/// How long a reply waits for its request, after which it counts as a refusal that came early.
const REFUSED_EARLY: Duration = Duration::from_millis(500);
/// The exit status if the exchanges could not be written down.
const UNWRITTEN: u8 = 2;

/// What is recorded, and where.
#[derive(Debug)]
pub struct Recording {
    /// The program and its arguments.
    pub program: Vec<String>,
    /// `AWS_LAMBDA_RUNTIME_API` as it was given.
    pub api: String,
    /// The file that the exchanges go to.
    pub output: PathBuf,
    /// What is not written down.
    pub masks: Masks,
}

/// What both directions of all connections write to.
struct Log {
    path: PathBuf,
    output: Mutex<Output>,
    masks: Masks,
}

struct Output {
    file: File,
    /// It could not be written.
    is_broken: bool,
}

/// Requests of a connection that have no reply yet.
type Waiting = Arc<Mutex<VecDeque<Message>>>;

/// Runs the program, and returns its exit status. SIGTERM is passed on to it.
///
/// # Errors
///
/// What keeps the program from being started, or the file from being created.
pub fn record(recording: Recording) -> Result<u8, String> {
    let (api, prefix) = authority(&recording.api)?;
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(|error| format!("no port to listen on: {error}"))?;
    let own = listener.local_addr().map_err(|error| error.to_string())?;
    let file = File::create(&recording.output).map_err(|error| cannot_write(&recording.output, &error))?;
    let output = Mutex::new(Output { file, is_broken: false });
    let log = Arc::new(Log { path: recording.output, output, masks: recording.masks });
    let for_all = Arc::clone(&log);
    thread::spawn(move || {
        let said = Once::new();
        for stream in listener.incoming().map_while(Result::ok) {
            // A connection that the API does not take is closed.
            if let Err(error) = connect(stream, &api, &for_all) {
                // Once: a runtime may try again and again.
                said.call_once(|| eprintln!("lambwire-conformance: the API at {api} cannot be reached: {error}"));
            }
        }
    });
    let scheme = if prefix.is_empty() { "" } else { "http://" };
    let env = [("AWS_LAMBDA_RUNTIME_API".to_owned(), format!("{scheme}{own}{prefix}"))];
    let status = Process::run(&recording.program, env)
        .map_err(|error| format!("{} cannot be started: {error}", recording.program.join(" ")))?;
    thread::sleep(AFTER_END);
    if log.output.lock().unwrap_or_else(PoisonError::into_inner).is_broken {
        return Ok(UNWRITTEN);
    }
    // As shells say that a signal has ended a program.
    let code = status.code().or(status.signal().map(|signal| SIGNALLED + signal));
    Ok(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

fn connect(runtime: TcpStream, api: &str, log: &Arc<Log>) -> io::Result<()> {
    let server = TcpStream::connect(api)?;
    runtime.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let waiting = Waiting::default();
    let up = Tee { from: runtime.try_clone()?, to: server.try_clone()? };
    let requests = waiting.clone();
    thread::spawn(move || {
        follow(up, |message| requests.lock().unwrap_or_else(PoisonError::into_inner).push_back(message));
    });
    let log = log.clone();
    thread::spawn(move || answer(&server, &runtime, &waiting, &log));
    Ok(())
}

/// Passes replies on, each after it was written down: the runtime may be stopped as soon as it has one.
fn answer(server: &TcpStream, mut runtime: &TcpStream, waiting: &Waiting, log: &Log) {
    let mut reader = Reader::new(server, Kind::Reply);
    let rest = loop {
        let read = match reader.head() {
            Ok(Some(head)) => reader.body(head, false),
            Ok(None) => break Vec::new(),
            Err(error) => Err(error),
        };
        match read {
            Ok(reply) => {
                let interim = (100..200).contains(&reply.head.status);
                if !interim && let Some(request) = answered(waiting) {
                    write(log, &request, &reply);
                }
                if runtime.write_all(&reply.raw).is_err() {
                    break Vec::new();
                }
            }
            Err(ReadError::Cut(bytes) | ReadError::Malformed(_, bytes)) => break bytes,
            Err(ReadError::Silent) => break Vec::new(),
        }
    };
    drop(reader);
    // What cannot be read as HTTP is passed on all the same.
    let _ = runtime.write_all(&rest);
    let _ = io::copy(&mut &*server, &mut runtime);
    let _ = runtime.shutdown(Shutdown::Write);
}

/// The request that a reply belongs to. It was passed on before it was looked at, and so may not be there at once; one
/// that is refused before its end never is.
fn answered(waiting: &Waiting) -> Option<Message> {
    let start = Instant::now();
    loop {
        let request = waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        if request.is_some() || start.elapsed() > REFUSED_EARLY {
            return request;
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// Passes bytes on, and takes them apart on the way. What cannot be read as HTTP is passed on all the same.
fn follow(mut tee: Tee, mut each: impl FnMut(Message)) {
    let mut reader = Reader::new(&mut tee, Kind::Request);
    while let Ok(Some(head)) = reader.head() {
        let Ok(message) = reader.body(head, false) else { break };
        each(message);
    }
    drop(reader);
    let _ = io::copy(&mut tee, &mut io::sink());
    let _ = tee.to.shutdown(Shutdown::Write);
}

fn write(log: &Log, request: &Message, reply: &Message) {
    let line = exchange::line(&Exchange::new(request, reply, &log.masks));
    let mut output = log.output.lock().unwrap_or_else(PoisonError::into_inner);
    // The runtime is not to suffer from a file that cannot be written, and what follows a gap is of no use.
    if !output.is_broken
        && let Err(error) = output.file.write_all(line.as_bytes())
    {
        output.is_broken = true;
        // At once, since a runtime may be killed.
        eprintln!("lambwire-conformance: {}", cannot_write(&log.path, &error));
    }
}

fn cannot_write(path: &Path, error: &io::Error) -> String {
    format!("{} cannot be written: {error}", path.display())
}

/// Reads from one end, and writes what it has read to the other.
struct Tee {
    from: TcpStream,
    to: TcpStream,
}

impl Read for Tee {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buf)?;
        let (bytes, _) = buf.split_at(read);
        self.to.write_all(bytes)?;
        Ok(read)
    }
}
