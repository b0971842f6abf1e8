//! The Runtime API as the runtime sees it: what is done with each of its requests.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use lambwire::limits::PAYLOAD_BYTES;
use lambwire::{ACCEPTED_BODY, ApiError, ErrorReport, Reply};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot::{self, error::TryRecvError};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::answer::{Failure, Reported};
use crate::environment::{Answering, Call, ConnectionId};
use crate::fleet::member::{Due, Member};
use crate::json;
use crate::limits;
use crate::queue::{Outlet, Piece};

mod connection;
mod extensions;
mod request;

use connection::{Collected, Connection, Lost};
use extensions::{extension_error, extension_next, metadata, ping, register, subscribe};
use request::{Asked, Kind};

/// Longest body of a refusal, in bytes.
const REFUSAL_BYTES: usize = 512;

/// The port of the Runtime API of one environment, with the connections that came in by it.
pub(crate) struct RuntimeApi {
    listener: TcpListener,
    connections: RefCell<JoinSet<()>>,
    /// How many connections there have been.
    count: Cell<u64>,
}

impl RuntimeApi {
    pub(crate) fn new(listener: TcpListener) -> Self {
        Self { listener, connections: RefCell::default(), count: Cell::new(0) }
    }

    /// Where a runtime finds it.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Receives what a program that has ended left behind, and parts with its connections.
    pub(crate) async fn drain(&self) {
        let mut connections = self.connections.take();
        let drained = async { while connections.join_next().await.is_some() {} };
        // Another process may hold a connection.
        let _ = timeout(limits::SETTLE_GRACE, drained).await;
    }

    /// Parts with all connections at once.
    pub(crate) fn disconnect(&self) {
        self.connections.take();
    }
}

/// Takes connections from the runtime of this environment, for ever.
pub(crate) async fn listen(member: Rc<Member>) {
    let api = &member.runtime_api;
    loop {
        match api.listener.accept().await {
            Ok((stream, _)) => {
                let mut connections = api.connections.borrow_mut();
                while connections.try_join_next().is_some() {}
                if connections.len() >= limits::RUNTIME_CONNECTIONS {
                    log::warn!("the runtime has {} connections, another is refused", connections.len());
                    continue;
                }
                let id = ConnectionId(api.count.get());
                api.count.set(id.0 + 1);
                let member = Rc::clone(&member);
                connections.spawn_local(async move { serve(stream, &member, id).await });
            }
            Err(error) => {
                log::warn!("the runtime cannot connect: {error}");
                sleep(limits::ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Serves one connection until it ends.
async fn serve(stream: TcpStream, member: &Member, id: ConnectionId) {
    // A reply is one write: nothing is gained by waiting for more.
    let _ = stream.set_nodelay(true);
    let mut connection = Connection::new(stream);
    let Err(lost) = converse(&mut connection, member, id).await else {
        return connection.linger().await;
    };
    match lost {
        Lost::Receive(error) | Lost::ReceiveBody { error, .. } => {
            log::warn!("a request of the runtime is not understood: {lost}");
            let reply = Reply::Rejected { status: error.status_hint() };
            let mut body = [0; REFUSAL_BYTES];
            let report = ErrorReport::new("InvalidRequest", &lost.to_string()).write(&mut body);
            let len = report.unwrap_or(0);
            // The connection may be gone.
            let _ = connection.reply(&reply, body.get(..len).unwrap_or_default()).await;
            connection.linger().await;
        }
        Lost::Io(error) => log::debug!("a connection of the runtime is lost: {error}"),
        Lost::Send(error) => log::error!("a reply to the runtime cannot be sent: {error}"),
    }
}

async fn converse(connection: &mut Connection, member: &Member, id: ConnectionId) -> Result<(), Lost> {
    while let Some(asked) = connection.request(|request, headers| Asked::new(request, headers, member)).await? {
        match asked {
            Asked::Next => next(connection, member, id).await?,
            Asked::Answer { begun: Ok(answering), kind } => answer(connection, member, &answering, kind).await?,
            Asked::Answer { begun: Err(error), .. } => refuse_unread(connection, error).await?,
            // AWS's emulator does not know these without a flag, either.
            Asked::InitError { call: Call::RestoreError, .. } | Asked::RestoreNext if !member.is_snap_start() => {
                log::warn!("the runtime asks to be restored from a snapshot, and --snap-start is not on");
                discard_body(connection).await?;
                reject(connection, ApiError::NotFound).await?;
            }
            Asked::InitError { call, error_type } => init_error(connection, member, call, error_type).await?,
            Asked::RestoreNext => {
                if restore_next(connection, member, id).await? {
                    return Ok(());
                }
            }
            Asked::Register { name, wants_account } => register(connection, member, &name, wants_account).await?,
            Asked::ExtensionNext { id: extension } => extension_next(connection, member, &extension, id).await?,
            Asked::ExtensionError { id, error_type, is_init } => {
                extension_error(connection, member, &id, error_type.as_deref(), is_init).await?;
            }
            Asked::Subscribe { id, is_logs_api } => subscribe(connection, member, &id, is_logs_api).await?,
            Asked::Ping => ping(connection).await?,
            Asked::Metadata { authorization } => metadata(connection, member, &authorization).await?,
            Asked::WrongMethod { allowed } => {
                log::warn!("the runtime asks by another method than {allowed}");
                refuse_unread(connection, ApiError::MethodNotAllowed { allow: allowed }).await?;
            }
            Asked::Other { what } => {
                log::warn!("the runtime asks for something unknown: {what}");
                discard_body(connection).await?;
                reject(connection, ApiError::NotFound).await?;
            }
        }
    }
    Ok(())
}

/// Somebody who waits for an invocation, for as long as this is there.
struct Waiter<'m>(&'m Member, ConnectionId);

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.forget(self.1);
    }
}

async fn next(connection: &mut Connection, member: &Member, id: ConnectionId) -> Result<(), Lost> {
    discard_body(connection).await?;
    let given = match member.next(id) {
        Ok(Due::Now(given)) => Some(given),
        Ok(Due::Later(given)) => wait(connection, member, id, given).await?,
        Err(error) => return refuse(connection, error).await,
    };
    let Some(given) = given else { return refuse(connection, ApiError::InternalServerError).await };
    let context = given.invocation.context(given.deadline_ms)?;
    connection.reply(&Reply::Invocation(context), given.invocation.payload()).await
}

async fn answer(connection: &mut Connection, member: &Member, answering: &Answering, kind: Kind) -> Result<(), Lost> {
    let Answering { id, call, mode, limit } = answering;
    let stream = member.stream_for(id).filter(|_| *call == Call::Response);
    let is_streamed = stream.is_some();
    let collected = match stream {
        Some(mut stream) => {
            if let Kind::Response { content_type: Some(content_type) } = &kind {
                stream.send(Piece::Type(content_type.clone())).await;
            }
            stream_body(connection, *limit, &mut stream).await
        }
        None => collect(connection, *limit).await,
    };
    match collected {
        Ok(Collected::TooLarge) => {
            member.refuse_size(answering);
            // AWS names the limit of a response in refusing the report of an error, too, which may be shorter.
            refuse_size(connection, (*limit).max(PAYLOAD_BYTES)).await
        }
        Ok(Collected::Whole { body, len, failure }) => {
            let reported = failure.unwrap_or_else(|| kind.with(*mode, body, is_streamed));
            match member.end_answer(id, reported, len) {
                Ok(()) => connection.reply(&Reply::Accepted, ACCEPTED_BODY).await,
                Err(error) => refuse(connection, error).await,
            }
        }
        Err(lost) => {
            member.cut_answer(id);
            Err(lost)
        }
    }
}

/// The runtime waits to be restored from its snapshot. Returns whether its connection has not outlived that.
async fn restore_next(connection: &mut Connection, member: &Member, id: ConnectionId) -> Result<bool, Lost> {
    discard_body(connection).await?;
    let restored = match member.restore_next(id) {
        Ok(restored) => restored,
        Err(error) => return refuse(connection, error).await.map(|()| false),
    };
    match wait(connection, member, id, restored).await? {
        Some(_) => connection.reply(&Reply::Restored, b"").await.map(|()| member.loses_connections()),
        None => refuse(connection, ApiError::InternalServerError).await.map(|()| false),
    }
}

async fn init_error(
    connection: &mut Connection,
    member: &Member,
    call: Call,
    error_type: Option<String>,
) -> Result<(), Lost> {
    let counts = match member.begin_init_error(call) {
        Ok(counts) => counts,
        Err(error) => return refuse_unread(connection, error).await,
    };
    match collect(connection, PAYLOAD_BYTES).await? {
        Collected::TooLarge => {
            if counts {
                member.end_init_error(Reported::Failed(Failure::TooLarge { limit: PAYLOAD_BYTES }));
            }
            refuse_size(connection, PAYLOAD_BYTES).await?;
        }
        Collected::Whole { body: report, .. } => {
            if counts {
                member.end_init_error(Reported::Error { error_type, report });
            }
            connection.reply(&Reply::Accepted, ACCEPTED_BODY).await?;
        }
    }
    if counts {
        connection.flush().await?;
        member.leave_failed_start();
    }
    Ok(())
}

/// Waits for what comes to whoever has asked on this connection; `None` if nothing will.
async fn wait<T>(
    connection: &mut Connection,
    member: &Member,
    id: ConnectionId,
    mut awaited: oneshot::Receiver<T>,
) -> Result<Option<T>, Lost> {
    match awaited.try_recv() {
        Err(TryRecvError::Empty) => {}
        come => return Ok(come.ok()),
    }
    let _waiter = Waiter(member, id);
    connection.flush().await?;
    tokio::select! {
        biased;
        come = &mut awaited => Ok(come.ok()),
        () = connection.closed() => Err(Lost::Io(std::io::ErrorKind::ConnectionAborted.into())),
    }
}

async fn stream_body(connection: &mut Connection, limit: u64, to: &mut Outlet) -> Result<Collected, Lost> {
    connection.welcome_body().await?;
    connection.body(limit, Some(to)).await
}

async fn collect(connection: &mut Connection, limit: u64) -> Result<Collected, Lost> {
    connection.welcome_body().await?;
    connection.body(limit, None).await
}

/// Refuses a request whose body is still to come. It is received first, so that the connection goes on, unless the
/// runtime waits for leave to send it.
async fn refuse_unread(connection: &mut Connection, error: ApiError<'_>) -> Result<(), Lost> {
    discard_body(connection).await?;
    refuse(connection, error).await
}

async fn discard_body(connection: &mut Connection) -> Result<(), Lost> {
    if !connection.expects_continue() {
        connection.body(0, None).await?;
    }
    Ok(())
}

async fn refuse(connection: &mut Connection, error: ApiError<'_>) -> Result<(), Lost> {
    log::warn!("a request of the runtime is refused: {error:?}");
    reject(connection, error).await
}

/// The same without a line in the log, where that has one.
async fn reject(connection: &mut Connection, error: ApiError<'_>) -> Result<(), Lost> {
    let mut body = [0; REFUSAL_BYTES];
    let len = error.write(&mut body)?;
    connection.reply(&error.reply(), body.get(..len).unwrap_or_default()).await
}

/// Refuses a body of more than `limit` bytes, in the words that AWS has for that of a response.
async fn refuse_size(connection: &mut Connection, limit: u64) -> Result<(), Lost> {
    log::warn!("a request of the runtime is refused: its body is larger than {limit} bytes");
    let message = format!("Exceeded maximum allowed payload size ({limit} bytes).");
    let body = json::object(&[("errorMessage", &message), ("errorType", "RequestEntityTooLarge")]) + "\n";
    connection.reply(&ApiError::RequestEntityTooLarge.reply(), body.as_bytes()).await
}
