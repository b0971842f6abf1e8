//! The emulator that runs, on a thread of its own.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Command;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, LocalOptions};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinSet, spawn_local, yield_now};
use tokio::time::timeout;

use crate::announcement;
use crate::answer::Answer;
use crate::console;
use crate::event::Event;
use crate::files;
use crate::fleet::driver::Driver;
use crate::fleet::member::Member;
use crate::fleet::{Fleet, Settings};
use crate::function::Function;
use crate::invoke::{self, Face, Options};
use crate::limits;
use crate::own_log;
use crate::page::Feed;
use crate::platform;
use crate::process::{self, Program};
use crate::queue::{Callers, InvokeError, Job, ResponseStream};
use crate::runtime_api::{self, RuntimeApi};
use crate::start_error::StartError;

/// An emulator that runs. Dropped, it ends at once, and the program with it.
#[derive(Debug)]
pub struct Running {
    callers: Callers,
    addresses: Addresses,
    feed: Arc<Feed>,
    /// Whether its lines are printed yet.
    lines: Arc<watch::Sender<bool>>,
    phase: watch::Sender<Phase>,
    /// Closed when the emulator has ended.
    end: mpsc::Sender<Infallible>,
    thread: Option<JoinHandle<()>>,
}

/// Where an emulator listens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addresses {
    pub(crate) runtime_api: SocketAddr,
    pub(crate) front: Option<SocketAddr>,
    pub(crate) url: Option<SocketAddr>,
}

/// How much longer an emulator goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Open,
    /// No more events are taken.
    Finishing,
    /// No more answers are waited for.
    Aborted,
}

impl Phase {
    /// Waits until no more events are taken. What `wait_for` returns is not kept: it holds up whoever ends the emulator.
    pub(crate) async fn finishing(phases: &mut watch::Receiver<Self>) {
        let _ = phases.wait_for(|phase| *phase != Self::Open).await;
    }
}

impl Running {
    /// Starts the thread, and on it the first environment.
    pub(crate) fn start(parts: Parts, addresses: Addresses, lines: watch::Sender<bool>) -> Result<Self, StartError> {
        let (phase, phases) = watch::channel(Phase::Open);
        let (end, ended) = mpsc::channel(1);
        let (callers, jobs) =
            Callers::new(&parts.region, &parts.function.name, &parts.function.version, parts.reserved);
        let (started, start) = sync_channel(1);
        let seen = callers.clone();
        let feed = Arc::clone(&parts.settings.feed);
        let thread = thread::Builder::new().name("lambwire-emulator".to_owned()).spawn(move || {
            own_log::mark_thread(parts.settings.printer.mark().cloned());
            let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
            match runtime {
                Ok(runtime) => runtime.block_on(parts.run(seen, jobs, phases, |result| {
                    // Whoever starts it waits for this.
                    let _ = started.send(result);
                })),
                Err(error) => drop(started.send(Err(StartError::System(error)))),
            }
            drop(ended);
        });
        let thread = thread.map_err(StartError::Thread)?;
        let running = Self { callers, addresses, feed, lines: Arc::new(lines), phase, end, thread: Some(thread) };
        // A thread that ends without a word has reported its panic.
        start.recv().unwrap_or_else(|_| Err(StartError::System(io::ErrorKind::Other.into()))).map(|()| running)
    }

    pub(crate) fn callers(&self) -> &Callers {
        &self.callers
    }

    pub(crate) fn feed(&self) -> &Arc<Feed> {
        &self.feed
    }

    pub(crate) fn lines(&self) -> &Arc<watch::Sender<bool>> {
        &self.lines
    }

    pub(crate) fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Where the Runtime API is served; the first environment's, if there are several.
    pub fn runtime_api(&self) -> SocketAddr {
        self.addresses.runtime_api
    }

    /// Where callers are listened for, if anywhere.
    pub fn listens(&self) -> Option<SocketAddr> {
        self.addresses.front
    }

    /// Where the URL of the function is, if anywhere.
    pub fn url(&self) -> Option<SocketAddr> {
        self.addresses.url
    }

    /// Hands in an event and waits for what comes of it, in whichever executor. Once this has been polled, the event is
    /// carried out even if nobody waits any more.
    ///
    /// # Errors
    ///
    /// The event was not taken. A failure of the function is an [`Answer`].
    pub async fn invoke(&self, event: impl Into<Event>) -> Result<Answer, InvokeError> {
        self.callers.submit(event.into())?.answer().await
    }

    /// The same for callers that are not async: the thread waits.
    ///
    /// # Errors
    ///
    /// As [`invoke`](Self::invoke).
    ///
    /// # Panics
    ///
    /// On a thread that runs async code with tokio: that has [`invoke`](Self::invoke).
    pub fn invoke_blocking(&self, event: impl Into<Event>) -> Result<Answer, InvokeError> {
        self.callers.submit(event.into())?.answer_blocking()
    }

    /// Hands in an event for a response that is received as the function sends it.
    ///
    /// # Errors
    ///
    /// As [`invoke`](Self::invoke).
    pub fn invoke_stream(&self, event: impl Into<Event>) -> Result<ResponseStream, InvokeError> {
        self.callers.submit_streaming(event.into())
    }

    /// Takes no more events, waits until those that were taken are carried out and their callers answered, and ends the
    /// program.
    pub async fn finish(self) {
        self.advance(Phase::Finishing);
        self.ended().await;
    }

    /// Waits until the emulator has ended.
    pub async fn ended(&self) {
        self.end.closed().await;
    }

    fn advance(&self, phase: Phase) {
        self.phase.send_replace(phase);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.advance(Phase::Aborted);
        if let Some(thread) = self.thread.take() {
            // It has reported its panic.
            let _ = thread.join();
        }
    }
}

/// What goes over to the emulator's thread.
pub(crate) struct Parts {
    pub(crate) settings: Settings,
    pub(crate) environments: usize,
    pub(crate) command: Option<Command>,
    pub(crate) function: Function,
    /// Programs that are extensions.
    pub(crate) extensions: Vec<PathBuf>,
    pub(crate) region: String,
    pub(crate) runtime_api: TcpListener,
    pub(crate) front: Option<TcpListener>,
    pub(crate) url: Option<TcpListener>,
    /// How callers are met.
    pub(crate) options: Options,
    pub(crate) addresses: Addresses,
    /// Those of other functions, by name.
    pub(crate) others: Vec<(String, Addresses)>,
    pub(crate) reserved: Option<usize>,
    pub(crate) watched: Vec<PathBuf>,
    pub(crate) is_announced: bool,
    /// Whether somebody starts a runtime, and has to read what for.
    pub(crate) has_exports: bool,
    /// Emulators whose lines wait for this one.
    pub(crate) held: Vec<Arc<watch::Sender<bool>>>,
    pub(crate) owns_process: bool,
    pub(crate) leaves_dead_letters: bool,
}

impl Parts {
    async fn run(
        self,
        callers: Callers,
        jobs: mpsc::UnboundedReceiver<Job>,
        mut phases: watch::Receiver<Phase>,
        started: impl FnOnce(Result<(), StartError>),
    ) {
        let Self { settings, environments, command, function, extensions, runtime_api, front, url, addresses, .. } =
            self;
        let (owns_process, leaves_dead_letters) = (self.owns_process, self.leaves_dead_letters);
        let exports = self.has_exports.then(|| function.exports(addresses.runtime_api)).transpose();
        let exports = match exports {
            Ok(exports) => exports,
            Err(reason) => return started(Err(StartError::Variables(reason))),
        };
        let factory = Factory { command, function: Rc::new(function), extensions, address: addresses.runtime_api };
        let fleet = Fleet::new(settings, environments, move |fleet, listener| factory.another(fleet, listener));
        let printer = &fleet.settings.printer;
        if self.is_announced {
            announcement::ready(printer, addresses, callers.function(), &self.others);
        }
        if let Some(exports) = exports {
            announcement::exports(printer, callers.function(), &exports);
        }
        printer.catch_up();
        for lines in self.held {
            lines.send_replace(true);
        }
        let begun = open(&fleet, runtime_api, owns_process);
        let options = Rc::new(self.options);
        let faces = [(front, Face::Api), (url, Face::Url)];
        let faces = faces.into_iter().filter_map(|(listener, face)| Some((listener?, face)));
        let mut listening = JoinSet::new();
        let opened = begun.and_then(|()| {
            for (listener, face) in faces {
                let listener = tokio::net::TcpListener::from_std(listener).map_err(StartError::System)?;
                let (callers, fleet, phases) = (callers.clone(), Rc::clone(&fleet), phases.clone());
                listening.spawn_local(invoke::listen(listener, callers, fleet, face, Rc::clone(&options), phases));
            }
            Ok(())
        });
        if let Err(error) = opened {
            return started(Err(error));
        }
        let printing = Rc::clone(&fleet);
        spawn_local(async move { printing.settings.printer.run().await });
        if !self.watched.is_empty() {
            let watching = Rc::clone(&fleet);
            spawn_local(crate::watch::watch(self.watched, files::kept, move || watching.renew()));
        }
        let receiving = spawn_local(receive(jobs, Rc::clone(&fleet), phases.clone()));
        started(Ok(()));

        // The handle outlives this, or says `Aborted` first.
        Phase::finishing(&mut phases).await;
        let finished = async {
            let _ = receiving.await;
            fleet.drained().await;
        };
        tokio::select! {
            () = finished => {}
            _ = phases.wait_for(|phase| *phase == Phase::Aborted) => {}
        }
        fleet.stop();
        tell_last_callers(listening).await;
        fleet.end().await;
        if owns_process {
            process::kill_children();
        }
        if let Some(dead_letters) = fleet.settings.dead_letters.as_ref().filter(|_| !leaves_dead_letters) {
            dead_letters.flush(limits::PRINT_PATIENCE);
        }
        fleet.settings.printer.flush();
        console::flush(limits::PRINT_PATIENCE);
    }
}

/// Starts the first environment, and what looks after orphans.
fn open(fleet: &Rc<Fleet>, runtime_api: TcpListener, owns_process: bool) -> Result<(), StartError> {
    if owns_process {
        platform::adopt_orphans();
        platform::raise_file_limit();
        spawn_local(reap(signal(SignalKind::child()).map_err(StartError::System)?));
    }
    let mut driver = fleet.add(Some(runtime_api)).map_err(StartError::System)?;
    if !fleet.settings.start.is_lazy {
        driver.start()?;
    }
    spawn_local(driver.run());
    Ok(())
}

/// Waits for the orphans that this process is given, for ever.
async fn reap(mut children: tokio::signal::unix::Signal) {
    while children.recv().await.is_some() {
        process::reap_orphans();
    }
}

/// Takes what comes from other threads.
async fn receive(mut jobs: mpsc::UnboundedReceiver<Job>, fleet: Rc<Fleet>, mut phases: watch::Receiver<Phase>) {
    loop {
        tokio::select! {
            biased;
            job = jobs.recv() => match job {
                Some(job) => {
                    // What has happened before it came is to be known before it is given to anybody.
                    yield_now().await;
                    fleet.submit(job);
                }
                None => return,
            },
            () = Phase::finishing(&mut phases), if !jobs.is_closed() => jobs.close(),
        }
    }
}

/// Waits for callers to have read their answers.
async fn tell_last_callers(mut listening: JoinSet<()>) {
    let all = async { while listening.join_next().await.is_some() {} };
    // Those who do not read have had their time.
    let _ = timeout(limits::LINGER, all).await;
}

/// What environments are made from.
struct Factory {
    command: Option<Command>,
    function: Rc<Function>,
    extensions: Vec<PathBuf>,
    address: SocketAddr,
}

impl Factory {
    /// An environment whose Runtime API is at this listener, or another port of the same address.
    fn another(&self, fleet: &Rc<Fleet>, listener: Option<TcpListener>) -> io::Result<Driver> {
        let listener = match listener {
            Some(listener) => listener,
            None => {
                let listener = TcpListener::bind((self.address.ip(), 0))?;
                listener.set_nonblocking(true)?;
                listener
            }
        };
        let address = listener.local_addr()?;
        let program = self.command.as_ref().map(|command| Program::new(command, &self.function, address));
        let runtime_api = RuntimeApi::new(tokio::net::TcpListener::from_std(listener)?);
        let member = Member::new(fleet, program, runtime_api);
        spawn_local(runtime_api::listen(Rc::clone(&member)));
        Ok(Driver::new(member, self.extensions(address)))
    }

    /// The extensions, as programs.
    fn extensions(&self, address: SocketAddr) -> Vec<(String, Program)> {
        let extension = |path: &PathBuf| {
            let name = path.file_name()?.to_string_lossy().into_owned();
            Some((name, Program::extension(path, &self.function, address)))
        };
        self.extensions.iter().filter_map(extension).collect()
    }
}
