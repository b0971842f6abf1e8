//! What extensions ask for, and whoever asks where it runs.

use lambwire::{ACCEPTED_BODY, ApiError, ExtensionId, Header, Reply};

use super::connection::{Collected, Connection, Lost};
use super::{collect, discard_body, refuse, refuse_size, wait};
use crate::answer::JSON;
use crate::environment::{ConnectionId, Refusal};
use crate::event::new_id;
use crate::fleet::member::{Due, Member, Unsubscribed};
use crate::json;
use crate::limits;

pub(super) async fn register(
    connection: &mut Connection,
    member: &Member,
    name: &str,
    wants_account: bool,
) -> Result<(), Lost> {
    let Some(wish) = body(connection).await? else { return Ok(()) };
    match member.register(name, &wish) {
        Ok(id) => {
            let function = member.registration(wants_account);
            let reply = Reply::Registered { id: ExtensionId::new(id.as_bytes())? };
            connection.reply(&reply, function.as_bytes()).await
        }
        Err(refusal) => refuse_extension(connection, &refusal).await,
    }
}

/// An extension waits for an event.
pub(super) async fn extension_next(
    connection: &mut Connection,
    member: &Member,
    extension: &[u8],
    id: ConnectionId,
) -> Result<(), Lost> {
    discard_body(connection).await?;
    let event = match member.extension_next(extension, id) {
        Ok(Due::Now(event)) => Some(event),
        Ok(Due::Later(event)) => wait(connection, member, id, event).await?,
        Err(refusal) => return refuse_extension(connection, &refusal).await,
    };
    let Some(event) = event else { return refuse(connection, ApiError::InternalServerError).await };
    connection.reply(&Reply::ExtensionEvent { id: Some(new_id::<String>().as_bytes()) }, &event).await
}

pub(super) async fn extension_error(
    connection: &mut Connection,
    member: &Member,
    id: &[u8],
    error_type: Option<&str>,
    is_init: bool,
) -> Result<(), Lost> {
    let Some(report) = body(connection).await? else { return Ok(()) };
    match member.fail_extension(id, error_type, &report, is_init) {
        Ok(()) => connection.reply(&Reply::Accepted, ACCEPTED_BODY).await,
        Err(refusal) => refuse_extension(connection, &refusal).await,
    }
}

/// An extension subscribes to the Telemetry API, or to the Logs API.
pub(super) async fn subscribe(
    connection: &mut Connection,
    member: &Member,
    id: &[u8],
    is_logs_api: bool,
) -> Result<(), Lost> {
    let Some(body) = body(connection).await? else { return Ok(()) };
    if is_logs_api && !member.has_logs_api() {
        return refuse_logs(connection).await;
    }
    match member.subscribe(id, &body, is_logs_api).await {
        Ok(()) => connection.reply(&Reply::Other { headers: &[TEXT] }, b"\"OK\"").await,
        Err(Unsubscribed::Refused(refusal)) => refuse_extension(connection, &refusal).await,
        Err(Unsubscribed::Invalid(reason)) => {
            log::warn!("a subscription to telemetry is refused: {reason}");
            let body = json::object(&[("errorType", "ValidationError"), ("errorMessage", &reason)]);
            connection.reply(&Reply::Rejected { status: 400 }, body.as_bytes()).await
        }
    }
}

/// The Logs API is not on managed instances, and AWS's emulator does not have it, either; it says so in this way.
async fn refuse_logs(connection: &mut Connection) -> Result<(), Lost> {
    let body = json::object(&[("errorMessage", "Logs API is not supported"), ("errorType", "Logs.NotSupported")]);
    connection.reply(&Reply::Accepted, (body + "\n").as_bytes()).await
}

/// Says that the Runtime API is there.
pub(super) async fn ping(connection: &mut Connection) -> Result<(), Lost> {
    discard_body(connection).await?;
    connection.reply(&Reply::Other { headers: &[TEXT] }, b"pong").await
}

/// What AWS's emulator says of a body that it says nothing of.
const TEXT: Header<'_> = Header { name: "Content-Type", value: b"text/plain; charset=utf-8" };

/// Tells where the function runs.
pub(super) async fn metadata(connection: &mut Connection, member: &Member, authorization: &[u8]) -> Result<(), Lost> {
    discard_body(connection).await?;
    if !member.knows_token(authorization) {
        return connection.reply(&Reply::Rejected { status: 401 }, b"Unauthorized").await;
    }
    let headers = [
        Header { name: "Cache-Control", value: b"private, max-age=43200, immutable" },
        Header { name: "Content-Type", value: JSON.as_bytes() },
    ];
    connection.reply(&Reply::Other { headers: &headers }, member.place_of_execution().as_bytes()).await
}

/// What an extension sends; `None` if it has been refused for its size.
async fn body(connection: &mut Connection) -> Result<Option<Vec<u8>>, Lost> {
    match collect(connection, limits::EXTENSION_BODY_BYTES).await? {
        Collected::Whole { body, .. } => Ok(Some(body)),
        Collected::TooLarge => refuse_size(connection, limits::EXTENSION_BODY_BYTES).await.map(|()| None),
    }
}

async fn refuse_extension(connection: &mut Connection, refusal: &Refusal) -> Result<(), Lost> {
    log::warn!("a request of an extension is refused: {}", refusal.message);
    let mut body = json::object(&[("errorMessage", &refusal.message), ("errorType", refusal.error_type)]);
    body.push('\n');
    connection.reply(&Reply::Rejected { status: 403 }, body.as_bytes()).await
}
