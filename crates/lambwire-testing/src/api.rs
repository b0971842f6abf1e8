//! The Runtime API in this process.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use lambwire::{ReceiveError, RequestKind};

use crate::connection::{Stream, serve};
use crate::event::Event;
use crate::fault::Fault;
use crate::request::RecordedRequest;
use crate::state::Shared;

/// How long a wait of a test lasts before it fails, unless [`Api::with_patience`] says otherwise. It is long, since
/// a test that goes well does not wait for a time to pass, and a machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A Runtime API on threads of this process. It listens on a port of 127.0.0.1 for runtimes that connect by themselves, and
/// [`connect`](Self::connect) gives a connection in memory to those that do not.
///
/// Dropped, it refuses requests for an invocation with 500, after which runtimes end, and takes no more connections.
///
/// ```
/// use lambwire_mio::Runtime;
/// use lambwire_testing::Api;
///
/// let api = Api::start()?;
/// let address = api.address();
/// let runtime = std::thread::spawn(move || {
///     Runtime::connect(&address).map(|mut runtime| runtime.serve(|event, _| Ok(event.to_ascii_uppercase().into())))
/// });
/// let answer = api.invoke("\"hello\"").answered()?;
/// assert_eq!(answer.text(), "\"HELLO\"");
/// assert!(answer.header("User-Agent").is_some());
/// api.frozen()?;
/// drop(api);
/// assert!(runtime.join().is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Api {
    shared: Arc<Shared>,
    address: SocketAddr,
    acceptor: Option<JoinHandle<()>>,
}

/// What a test has waited for did not come.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimedOut {
    /// What it is.
    pub what: &'static str,
    /// How long it was waited for.
    pub patience: Duration,
    /// The requests that came until then, in their order.
    pub requests: Vec<RequestKind>,
    /// Why requests were not understood.
    pub misunderstood: Vec<ReceiveError>,
}

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "waited {:?} in vain until {}; there came", self.patience, self.what)?;
        for (index, kind) in self.requests.iter().enumerate() {
            write!(f, "{} {kind}", if index == 0 { "" } else { "," })?;
        }
        if self.requests.is_empty() {
            f.write_str(" nothing")?;
        }
        for error in &self.misunderstood {
            write!(f, "; a request was not understood: {error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for TimedOut {}

impl Api {
    /// Starts one.
    ///
    /// # Errors
    ///
    /// No port can be had.
    pub fn start() -> io::Result<Self> {
        Self::with_patience(PATIENCE)
    }

    /// Starts one whose waits last so long at most.
    ///
    /// # Errors
    ///
    /// No port can be had.
    pub fn with_patience(patience: Duration) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::new(patience));
        let acceptor = thread::spawn({
            let shared = Arc::clone(&shared);
            move || accept(&listener, &shared)
        });
        Ok(Self { shared, address, acceptor: Some(acceptor) })
    }

    /// Where it listens: the value of `AWS_LAMBDA_RUNTIME_API`, for a runtime to be given.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// A connection in memory, for a runtime that is not to know of ports.
    ///
    /// # Errors
    ///
    /// The process has no more descriptors.
    pub fn connect(&self) -> io::Result<UnixStream> {
        let (ours, theirs) = UnixStream::pair()?;
        start(Stream::Unix(ours), &self.shared);
        Ok(theirs)
    }

    /// Invokes the function: a runtime gets the event when it asks for one, after those of earlier calls.
    ///
    /// # Panics
    ///
    /// A value of the event cannot stand in a header: no runtime would ever get it.
    pub fn invoke(&self, event: impl Into<Event>) -> Invoked<'_> {
        let event = event.into();
        if let Err(error) = event.context() {
            #[expect(clippy::panic, reason = "a test that cannot work")]
            {
                panic!("an event that cannot be sent: {error}");
            }
        }
        let id = event.id().to_owned();
        self.shared.invoke(event);
        Invoked { shared: &self.shared, id }
    }

    /// Has something go wrong with the reply to the next request for an invocation that has no other fault. Faults are used up
    /// in the order in which they were given.
    pub fn break_next(&self, fault: Fault) {
        self.shared.break_next(fault);
    }

    /// Has something go wrong with the reply to the next response or error that has no other fault. The answer itself is taken.
    pub fn break_answer(&self, fault: Fault) {
        self.shared.break_answer(fault);
    }

    /// Ends the pause of a runtime that waits for a restore (SnapStart), now or later.
    pub fn restore(&self) {
        self.shared.restore();
    }

    /// Waits until a runtime has asked for an invocation, and there is none.
    ///
    /// # Errors
    ///
    /// [`TimedOut`].
    pub fn next_polled(&self) -> Result<(), TimedOut> {
        self.shared.polled(1)
    }

    /// The same, until so many connections wait for an invocation at a time.
    ///
    /// # Errors
    ///
    /// [`TimedOut`].
    pub fn polled_by(&self, connections: usize) -> Result<(), TimedOut> {
        self.shared.polled(connections)
    }

    /// Waits until every event has been answered, and a runtime has asked for another: Lambda would freeze it now.
    ///
    /// # Errors
    ///
    /// [`TimedOut`].
    pub fn frozen(&self) -> Result<(), TimedOut> {
        self.shared.frozen()
    }

    /// Waits until a runtime has reported that it cannot start, and returns that.
    ///
    /// # Errors
    ///
    /// [`TimedOut`].
    pub fn init_failed(&self) -> Result<RecordedRequest, TimedOut> {
        self.shared.request("a runtime reports that it cannot start", |request| request.kind == RequestKind::InitError)
    }

    /// Waits until a runtime has asked for a restore, as it does once it is ready for the snapshot.
    ///
    /// # Errors
    ///
    /// [`TimedOut`].
    pub fn snapshot_polled(&self) -> Result<(), TimedOut> {
        let asked = self.shared.request("a runtime asks for a restore", |one| one.kind == RequestKind::RestoreNext);
        asked.map(drop)
    }

    /// Every request that came, in the order in which they were whole.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.shared.requests()
    }

    /// The kinds of these.
    pub fn kinds(&self) -> Vec<RequestKind> {
        self.requests().iter().map(|request| request.kind).collect()
    }

    /// How many connections have been made.
    pub fn connections(&self) -> usize {
        self.shared.connections()
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.shared.end();
        // Wakes whoever accepts. Should this fail, it is awake.
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            // It does not panic.
            let _ = acceptor.join();
        }
    }
}

/// An invocation that has been asked for.
#[derive(Debug)]
#[must_use]
pub struct Invoked<'a> {
    shared: &'a Shared,
    id: String,
}

impl Invoked<'_> {
    /// Its request id.
    pub fn request_id(&self) -> &str {
        &self.id
    }

    /// Waits until it is answered, and returns the response or the error.
    ///
    /// # Errors
    ///
    /// [`TimedOut`].
    pub fn answered(&self) -> Result<RecordedRequest, TimedOut> {
        let is_so = |request: &RecordedRequest| request.is_answer() && request.request_id.as_deref() == Some(&*self.id);
        self.shared.request("an invocation is answered", is_so)
    }
}

/// Takes connections, each to a thread of its own, until the end.
fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.is_over() {
            break;
        }
        if let Ok(stream) = stream {
            start(Stream::Tcp(stream), shared);
        }
    }
}

fn start(stream: Stream, shared: &Arc<Shared>) {
    let (number, shared) = (shared.connected(), Arc::clone(shared));
    thread::spawn(move || serve(stream, number, &shared));
}
