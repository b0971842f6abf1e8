//! The Runtime API as the runtime sees it: what is done with each of its requests.

use std::cell::RefCell;
use std::net::{TcpListener, TcpStream};
use std::rc::{Rc, Weak};
use std::time::Instant;

use lambwire::limits::PAYLOAD_BYTES;
use lambwire::{ACCEPTED_BODY, ApiError, ErrorReport, ExtensionId, Mode, Reply, RequestKind};
use smol::channel::Receiver;
use smol::future;
use smol::{Async, LocalExecutor, Task, Timer};

use crate::answer::{Failure, Reported};
use crate::connection::{Asked, Collected, Connection, Kind, Lost};
use crate::event::Invocation;
use crate::extensions::Extensions;
use crate::limits;

/// Longest body of an objection, in bytes.
const OBJECTION_BYTES: usize = 512;

/// Whoever decides what becomes of a runtime's requests. No call waits.
pub(crate) trait Requests {
    /// The runtime asks for an invocation.
    fn next(&mut self, now: Instant) -> Result<Handout, ApiError<'static>>;

    /// The runtime begins to answer; gives back how many bytes are taken.
    fn begin_answer(&mut self, begun: &Begun<'_>) -> Result<u64, ApiError<'static>>;

    /// The answer that was begun is here.
    fn end_answer(&mut self, begun: &Begun<'_>, reported: Reported) -> Result<(), ApiError<'static>>;

    /// The answer that was begun is larger than is taken.
    fn refuse_size(&mut self, begun: &Begun<'_>);

    /// The answer that was begun will never be whole.
    fn cut_answer(&mut self, begun: &Begun<'_>);

    /// Whether the runtime may say that it cannot start.
    fn begin_init_error(&mut self) -> Result<(), ApiError<'static>>;

    /// The report of a runtime that cannot start is here.
    fn end_init_error(&mut self, reported: Reported);
}

/// An answer, as its head tells of it.
#[derive(Debug)]
pub(crate) struct Begun<'a> {
    pub(crate) verb: RequestKind,
    pub(crate) id: &'a str,
    pub(crate) nonce: Option<&'a [u8]>,
    pub(crate) mode: Mode,
}

/// What a runtime gets that asks for an invocation.
#[derive(Debug)]
pub(crate) enum Handout {
    Given(Rc<Invocation>),
    /// It gets one by this, or is sent away when this ends.
    Waits(Receiver<Rc<Invocation>>),
}

/// The port of the Runtime API, with the connections that came in by it.
pub(crate) struct RuntimeApi {
    listener: Async<TcpListener>,
    requests: Rc<RefCell<dyn Requests>>,
    extensions: Rc<RefCell<Extensions>>,
    /// Weak, as the executor holds what holds this.
    executor: Weak<LocalExecutor<'static>>,
    connections: RefCell<Vec<Task<()>>>,
}

impl RuntimeApi {
    pub(crate) fn new(
        listener: Async<TcpListener>,
        requests: Rc<RefCell<dyn Requests>>,
        executor: Weak<LocalExecutor<'static>>,
    ) -> Self {
        Self { listener, requests, extensions: Rc::default(), executor, connections: RefCell::default() }
    }

    /// Takes connections, for ever.
    pub(crate) async fn listen(&self) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => self.serve(stream),
                Err(error) => {
                    log::warn!("the runtime cannot connect: {error}");
                    Timer::after(limits::ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Receives what a program that has ended left behind, and parts with its connections.
    pub(crate) async fn settle(&self) {
        while let Ok((stream, _)) = self.listener.get_ref().accept() {
            if let Ok(stream) = Async::new(stream) {
                self.serve(stream);
            }
        }
        let connections = self.connections.take();
        let settled = async {
            for connection in connections {
                connection.await;
            }
        };
        let patience = async {
            Timer::after(limits::SETTLE_GRACE).await;
        };
        future::or(settled, patience).await;
    }

    /// Whether the program has an extension inside its process.
    pub(crate) fn has_extension(&self) -> bool {
        self.extensions.borrow().are_there()
    }

    /// Parts with all connections at once, and with what has registered by them.
    pub(crate) fn disconnect(&self) {
        self.connections.take();
        self.extensions.take();
    }

    fn serve(&self, stream: Async<TcpStream>) {
        let mut connections = self.connections.borrow_mut();
        connections.retain(|connection| !connection.is_finished());
        if connections.len() >= limits::RUNTIME_CONNECTIONS {
            log::warn!("the runtime has {} connections, another is refused", connections.len());
            return;
        }
        let (requests, extensions) = (Rc::clone(&self.requests), Rc::clone(&self.extensions));
        if let Some(executor) = self.executor.upgrade() {
            connections.push(executor.spawn(async move { serve(stream, &*requests, &extensions).await }));
        }
    }
}

/// Serves one connection until it ends.
async fn serve(stream: Async<TcpStream>, requests: &RefCell<dyn Requests>, extensions: &RefCell<Extensions>) {
    // A reply is one write: nothing is gained by waiting for more.
    let _ = stream.get_ref().set_nodelay(true);
    let mut connection = Connection::new(stream);
    let Err(lost) = converse(&mut connection, requests, extensions).await else {
        return connection.linger().await;
    };
    match lost {
        Lost::Receive(error) => {
            log::warn!("a request of the runtime is not understood: {error}");
            let reply = Reply::Rejected { status: error.status_hint() };
            let mut body = [0; OBJECTION_BYTES];
            let report = ErrorReport::new("InvalidRequest", &error.to_string()).write(&mut body);
            let len = report.unwrap_or(0);
            // The connection may be gone.
            let _ = connection.reply(&reply, body.get(..len).unwrap_or_default()).await;
            connection.linger().await;
        }
        Lost::Io(error) => log::debug!("a connection of the runtime is lost: {error}"),
        Lost::Send(error) => log::error!("a reply to the runtime cannot be sent: {error}"),
    }
}

async fn converse(
    connection: &mut Connection,
    requests: &RefCell<dyn Requests>,
    extensions: &RefCell<Extensions>,
) -> Result<(), Lost> {
    while let Some(asked) = connection.request().await? {
        match asked {
            Asked::Next => {
                extensions.borrow_mut().close();
                next(connection, requests).await?;
            }
            Asked::Answer { id, nonce, mode, kind } => {
                let begun = Begun { verb: kind.verb(), id: &id, nonce: nonce.as_deref(), mode };
                let limit = requests.borrow_mut().begin_answer(&begun);
                match limit {
                    Ok(limit) => answer(connection, requests, &begun, kind, limit).await?,
                    Err(objection) => turn_down(connection, objection).await?,
                }
            }
            Asked::InitError { error_type } => init_error(connection, requests, error_type).await?,
            Asked::Register => register(connection, extensions).await?,
            Asked::ExtensionNext { id } => extension_next(connection, extensions, &id).await?,
            Asked::Other { what } => {
                log::warn!("the runtime asks for something unknown: {what}");
                turn_down(connection, ApiError::NotFound).await?;
            }
        }
    }
    Ok(())
}

async fn next(connection: &mut Connection, requests: &RefCell<dyn Requests>) -> Result<(), Lost> {
    discard_body(connection).await?;
    let handout = requests.borrow_mut().next(Instant::now());
    let given = match handout {
        Ok(Handout::Given(given)) => given,
        Ok(Handout::Waits(given)) => {
            let given = async { Ok(given.recv().await) };
            match future::or(given, lost(connection)).await? {
                Ok(given) => given,
                Err(_) => return object(connection, ApiError::InternalServerError).await,
            }
        }
        Err(objection) => return object(connection, objection).await,
    };
    connection.reply(&Reply::Invocation(given.context()?), given.payload()).await
}

async fn answer(
    connection: &mut Connection,
    requests: &RefCell<dyn Requests>,
    begun: &Begun<'_>,
    kind: Kind,
    limit: u64,
) -> Result<(), Lost> {
    match collect(connection, limit).await {
        Ok(Collected::TooLarge) => {
            requests.borrow_mut().refuse_size(begun);
            object(connection, ApiError::RequestEntityTooLarge).await
        }
        Ok(Collected::Whole { body, failure }) => {
            let reported = failure.unwrap_or_else(|| kind.with(body));
            let taken = requests.borrow_mut().end_answer(begun, reported);
            match taken {
                Ok(()) => connection.reply(&Reply::Accepted, ACCEPTED_BODY).await,
                Err(objection) => object(connection, objection).await,
            }
        }
        Err(lost) => {
            requests.borrow_mut().cut_answer(begun);
            Err(lost)
        }
    }
}

async fn init_error(
    connection: &mut Connection,
    requests: &RefCell<dyn Requests>,
    error_type: Option<String>,
) -> Result<(), Lost> {
    let begun = requests.borrow_mut().begin_init_error();
    if let Err(objection) = begun {
        return turn_down(connection, objection).await;
    }
    match collect(connection, PAYLOAD_BYTES).await? {
        Collected::TooLarge => {
            let failure = Reported::Failed(Failure::TooLarge);
            requests.borrow_mut().end_init_error(failure);
            object(connection, ApiError::RequestEntityTooLarge).await
        }
        Collected::Whole { body: report, .. } => {
            log::error!("the runtime cannot start: {}", String::from_utf8_lossy(&report));
            let reported = Reported::Error { error_type, report };
            requests.borrow_mut().end_init_error(reported);
            connection.reply(&Reply::Accepted, ACCEPTED_BODY).await
        }
    }
}

async fn register(connection: &mut Connection, extensions: &RefCell<Extensions>) -> Result<(), Lost> {
    let Collected::Whole { body: wish, .. } = collect(connection, limits::REGISTRATION_BYTES).await? else {
        return object(connection, ApiError::RequestEntityTooLarge).await;
    };
    let registered = extensions.borrow_mut().register(&wish);
    match registered {
        Ok(id) => connection.reply(&Reply::Registered { id: ExtensionId::new(id.as_bytes())? }, b"{}").await,
        Err(objection) => object(connection, objection).await,
    }
}

/// An extension waits for an event, and none ever comes.
async fn extension_next(connection: &mut Connection, extensions: &RefCell<Extensions>, id: &[u8]) -> Result<(), Lost> {
    discard_body(connection).await?;
    let waits = extensions.borrow().wait(id);
    match waits {
        Ok(()) => lost(connection).await,
        Err(objection) => object(connection, objection).await,
    }
}

/// Waits until the runtime has closed the connection, on which it waits for a reply.
async fn lost<T>(connection: &mut Connection) -> Result<T, Lost> {
    connection.closed().await;
    Err(Lost::Io(std::io::ErrorKind::ConnectionAborted.into()))
}

async fn collect(connection: &mut Connection, limit: u64) -> Result<Collected, Lost> {
    connection.welcome_body().await?;
    connection.body(limit).await
}

/// Refuses a request whose body is still to come. It is received first, so that the connection goes on, unless the
/// runtime waits for leave to send it.
async fn turn_down(connection: &mut Connection, objection: ApiError<'_>) -> Result<(), Lost> {
    discard_body(connection).await?;
    object(connection, objection).await
}

async fn discard_body(connection: &mut Connection) -> Result<(), Lost> {
    if !connection.expects_continue() {
        connection.body(0).await?;
    }
    Ok(())
}

async fn object(connection: &mut Connection, objection: ApiError<'_>) -> Result<(), Lost> {
    log::warn!("a request of the runtime is refused: {objection:?}");
    let mut body = [0; OBJECTION_BYTES];
    let len = objection.write(&mut body)?;
    connection.reply(&objection.reply(), body.get(..len).unwrap_or_default()).await
}
