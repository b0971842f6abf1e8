//! The Runtime API as the runtime sees it: what is done with each of its requests.

use std::cell::RefCell;
use std::net::{TcpListener, TcpStream};
use std::rc::{Rc, Weak};
use std::time::Instant;

use lambwire::limits::PAYLOAD_BYTES;
use lambwire::{ACCEPTED_BODY, ErrorReport, Objection, Reply};
use smol::future;
use smol::{Async, LocalExecutor, Task, Timer};

use crate::answer::{Failure, Reported};
use crate::connection::{Asked, Collected, Connection, Kind, Lost};
use crate::environment::{Environment, Handout};
use crate::limits;

/// Longest body of an objection, in bytes.
const OBJECTION_BYTES: usize = 512;

/// The port of the Runtime API, with the connections that came in by it.
pub(crate) struct RuntimeApi {
    listener: Async<TcpListener>,
    environment: Rc<RefCell<Environment>>,
    /// Weak, as the executor holds what holds this.
    executor: Weak<LocalExecutor<'static>>,
    connections: RefCell<Vec<Task<()>>>,
}

impl RuntimeApi {
    pub(crate) fn new(
        listener: Async<TcpListener>,
        environment: Rc<RefCell<Environment>>,
        executor: Weak<LocalExecutor<'static>>,
    ) -> Self {
        Self { listener, environment, executor, connections: RefCell::new(Vec::new()) }
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

    /// Parts with all connections at once.
    pub(crate) fn disconnect(&self) {
        self.connections.take();
    }

    fn serve(&self, stream: Async<TcpStream>) {
        let mut connections = self.connections.borrow_mut();
        connections.retain(|connection| !connection.is_finished());
        if connections.len() >= limits::RUNTIME_CONNECTIONS {
            log::warn!("the runtime has {} connections, another is refused", connections.len());
            return;
        }
        let environment = Rc::clone(&self.environment);
        if let Some(executor) = self.executor.upgrade() {
            connections.push(executor.spawn(async move { serve(stream, &environment).await }));
        }
    }
}

/// Serves one connection until it ends.
async fn serve(stream: Async<TcpStream>, environment: &RefCell<Environment>) {
    // A reply is one write: nothing is gained by waiting for more.
    let _ = stream.get_ref().set_nodelay(true);
    let mut connection = Connection::new(stream);
    let Err(lost) = converse(&mut connection, environment).await else {
        return connection.linger().await;
    };
    match lost {
        Lost::Receive(error) => {
            log::warn!("a request of the runtime is not understood: {error}");
            let reply = Reply::Refused { status: error.status_hint() };
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

async fn converse(connection: &mut Connection, environment: &RefCell<Environment>) -> Result<(), Lost> {
    while let Some(asked) = connection.request().await? {
        match asked {
            Asked::Next => next(connection, environment).await?,
            Asked::Answer { id, mode, kind } => {
                let begun = environment.borrow_mut().begin_answer(kind.verb(), &id, mode);
                match begun {
                    Ok(()) => answer(connection, environment, kind).await?,
                    Err(objection) => turn_down(connection, objection).await?,
                }
            }
            Asked::InitError { error_type } => init_error(connection, environment, error_type).await?,
            Asked::Other { what } => {
                log::warn!("the runtime asks for something unknown: {what}");
                turn_down(connection, Objection::NotFound).await?;
            }
        }
    }
    Ok(())
}

async fn next(connection: &mut Connection, environment: &RefCell<Environment>) -> Result<(), Lost> {
    discard_body(connection).await?;
    let handout = environment.borrow_mut().next(Instant::now());
    let given = match handout {
        Ok(Handout::Given(given)) => Some(given),
        Ok(Handout::Waits(given)) => {
            let given = async { given.recv().await.ok() };
            let closed = async {
                connection.closed().await;
                None
            };
            future::or(given, closed).await
        }
        Err(objection) => return object(connection, objection).await,
    };
    match given {
        Some(given) => {
            let context = given.context()?;
            connection.reply(&Reply::Invocation(context), given.payload()).await
        }
        None => Err(Lost::Io(std::io::ErrorKind::ConnectionAborted.into())),
    }
}

async fn answer(connection: &mut Connection, environment: &RefCell<Environment>, kind: Kind) -> Result<(), Lost> {
    match collect(connection).await {
        Ok(Collected::TooLarge) => {
            let failure = Reported::Failed(Failure::TooLarge);
            environment.borrow_mut().end_answer(failure);
            object(connection, Objection::RequestEntityTooLarge).await
        }
        Ok(Collected::Whole { body, failure }) => {
            let reported = failure.unwrap_or_else(|| kind.with(body));
            environment.borrow_mut().end_answer(reported);
            connection.reply(&Reply::Accepted, ACCEPTED_BODY).await
        }
        Err(lost) => {
            environment.borrow_mut().cut_answer();
            Err(lost)
        }
    }
}

async fn init_error(
    connection: &mut Connection,
    environment: &RefCell<Environment>,
    error_type: Option<String>,
) -> Result<(), Lost> {
    let begun = environment.borrow_mut().begin_init_error();
    if let Err(objection) = begun {
        return turn_down(connection, objection).await;
    }
    match collect(connection).await? {
        Collected::TooLarge => {
            let failure = Reported::Failed(Failure::TooLarge);
            environment.borrow_mut().end_init_error(failure);
            object(connection, Objection::RequestEntityTooLarge).await
        }
        Collected::Whole { body: report, .. } => {
            log::error!("the runtime cannot start: {}", String::from_utf8_lossy(&report));
            let reported = Reported::Error { error_type, report };
            environment.borrow_mut().end_init_error(reported);
            connection.reply(&Reply::Accepted, ACCEPTED_BODY).await
        }
    }
}

async fn collect(connection: &mut Connection) -> Result<Collected, Lost> {
    connection.welcome_body().await?;
    connection.body(PAYLOAD_BYTES).await
}

/// Refuses a request whose body is still to come. It is received first, so that the connection goes on, unless the
/// runtime waits for leave to send it.
async fn turn_down(connection: &mut Connection, objection: Objection<'_>) -> Result<(), Lost> {
    discard_body(connection).await?;
    object(connection, objection).await
}

async fn discard_body(connection: &mut Connection) -> Result<(), Lost> {
    if !connection.expects_continue() {
        connection.body(0).await?;
    }
    Ok(())
}

async fn object(connection: &mut Connection, objection: Objection<'_>) -> Result<(), Lost> {
    log::warn!("a request of the runtime is refused: {objection:?}");
    let mut body = [0; OBJECTION_BYTES];
    let len = objection.write(&mut body)?;
    connection.reply(&objection.reply(), body.get(..len).unwrap_or_default()).await
}
