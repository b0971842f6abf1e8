//! The emulator that runs, on a thread of its own.

use std::cell::RefCell;
use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use smol::channel::{Receiver, Sender, bounded};
use smol::future;
use smol::{Async, LocalExecutor, Task, Timer};

use crate::answer::Answer;
use crate::callers::{Callers, InvokeError, Job};
use crate::concurrent;
use crate::driver::{Driver, Settings};
use crate::environment::Environment;
use crate::event::Event;
use crate::front;
use crate::limits;
use crate::process::{Process, Program};
use crate::runtime_api::RuntimeApi;
use crate::supervisor::Supervisor;

/// An emulator that runs. Dropped, it ends at once, and the program with it.
#[derive(Debug)]
pub struct Running {
    callers: Callers,
    addresses: Addresses,
    abort: Sender<Infallible>,
    end: Receiver<Infallible>,
    thread: Option<JoinHandle<()>>,
}

/// Where an emulator listens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addresses {
    pub(crate) runtime_api: SocketAddr,
    pub(crate) front: Option<SocketAddr>,
}

impl Running {
    pub(crate) fn start(parts: Parts, addresses: Addresses) -> io::Result<Self> {
        let (abort, aborted) = bounded(1);
        let (ended, end) = bounded::<Infallible>(1);
        let callers = parts.callers.clone();
        let thread = thread::Builder::new().name("lambwire-emulator".to_owned()).spawn(move || {
            smol::block_on(parts.run(aborted));
            drop(ended);
        })?;
        Ok(Self { callers, addresses, abort, end, thread: Some(thread) })
    }

    /// Where the Runtime API is served.
    pub fn runtime_api(&self) -> SocketAddr {
        self.addresses.runtime_api
    }

    /// Where callers are listened for, if anywhere.
    pub fn listens(&self) -> Option<SocketAddr> {
        self.addresses.front
    }

    /// Hands in an event and waits for what comes of it. Once this has been polled, the event is carried out even if
    /// nobody waits any more.
    ///
    /// # Errors
    ///
    /// The event was not taken. A failure of the function is an [`Answer`].
    pub async fn invoke(&self, event: Event) -> Result<Answer, InvokeError> {
        self.callers.submit(event)?.answer().await
    }

    /// The same for callers that are not async: the thread waits.
    ///
    /// # Errors
    ///
    /// As [`invoke`](Self::invoke).
    pub fn invoke_blocking(&self, event: Event) -> Result<Answer, InvokeError> {
        smol::block_on(self.invoke(event))
    }

    /// Takes no more events, waits until those that were taken are carried out and their callers told, and ends the
    /// program.
    pub async fn finish(self) {
        self.callers.close();
        self.ended().await;
    }

    /// Waits until the emulator has ended.
    pub async fn ended(&self) {
        // Nothing is ever sent: it ends when the other end is dropped.
        self.end.recv().await.ok();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.callers.close();
        self.abort.close();
        if let Some(thread) = self.thread.take() {
            // It has told of its panic.
            let _ = thread.join();
        }
    }
}

/// What goes over to the emulator's thread.
pub(crate) struct Parts {
    pub(crate) settings: Settings,
    pub(crate) concurrency: Option<usize>,
    pub(crate) runtime_api: Async<TcpListener>,
    pub(crate) front: Option<Async<TcpListener>>,
    pub(crate) callers: Callers,
    pub(crate) jobs: Receiver<Job>,
    pub(crate) program: Option<Program>,
    pub(crate) process: Option<Process>,
    pub(crate) started_at: Instant,
}

impl Parts {
    async fn run(self, aborted: Receiver<Infallible>) {
        // Dropped at the end, and with it all that runs on it.
        let executor = Rc::new(LocalExecutor::new());
        let life = self.live(aborted, &executor);
        executor.run(life).await;
    }

    async fn live(self, aborted: Receiver<Infallible>, executor: &Rc<LocalExecutor<'static>>) {
        let Self { settings, concurrency, runtime_api, front, callers, jobs, program, process, started_at } = self;
        let weak = Rc::downgrade(executor);
        let front = front.map(|listener| executor.spawn(front::listen(listener, callers, weak.clone())));
        let supervise = |requests| {
            let runtime_api = Rc::new(RuntimeApi::new(runtime_api, requests, weak));
            let listening = Rc::clone(&runtime_api);
            executor.spawn(async move { listening.listen().await }).detach();
            Supervisor { runtime_api, program, process, started_at: Some(started_at), end_grace: settings.end_grace }
        };
        let abort = async {
            // Nothing is ever sent: it ends when the handle is dropped.
            aborted.recv().await.ok();
        };
        let Some(concurrency) = concurrency else {
            let (environment, changes) = Environment::new();
            let environment = Rc::new(RefCell::new(environment));
            let supervisor = supervise(Rc::<RefCell<Environment>>::clone(&environment));
            let mut driver = Driver { settings, jobs, environment, changes, supervisor };
            future::or(work(driver.run(), front), abort).await;
            return driver.end().await;
        };
        let (environment, changes) = concurrent::Environment::new();
        let environment = Rc::new(RefCell::new(environment));
        let supervisor = supervise(Rc::<RefCell<concurrent::Environment>>::clone(&environment));
        let (pending, idle_since) = (None, started_at);
        let mut driver =
            concurrent::Driver { settings, concurrency, jobs, environment, changes, supervisor, pending, idle_since };
        future::or(work(driver.run(), front), abort).await;
        driver.end().await;
    }
}

/// Carries out what is taken until no more can come, and waits until the last callers are told.
async fn work(driver: impl Future<Output = ()>, front: Option<Task<()>>) {
    driver.await;
    if let Some(front) = front {
        let patience = async {
            Timer::after(limits::LINGER).await;
        };
        future::or(front, patience).await;
    }
}
