//! The port for callers: AWS's Invoke over HTTP.

use std::cell::Cell;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::net::IpAddr;
use std::pin::pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::header::ORIGIN;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request};
use hyper_util::rt::{TokioIo, TokioTimer};
use lambwire::limits::PAYLOAD_BYTES;
use serde::de::IgnoredAny;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::{JoinSet, yield_now};
use tokio::time::{sleep, timeout};

use crate::arn;
use crate::event::Event;
use crate::fleet::Fleet;
use crate::limits;
use crate::page::Feed;
use crate::queue::{Callers, InvokeError, Job};
use crate::running::Phase;

mod event_stream;
mod headers;
mod origin;
mod page;
mod reply;
mod rie;
mod url;

use headers::InvocationType;
pub(crate) use origin::Gate;
use reply::{Exception, Reply};
use rie::InFlight;
pub(crate) use rie::RieMode;
pub use url::UrlFormat;
pub(crate) use url::{Cors, UrlConfig};

/// Takes connections from callers until no more events are taken, and waits for the connections to end.
pub(crate) async fn listen(
    listener: TcpListener,
    callers: Callers,
    fleet: Rc<Fleet>,
    face: Face,
    options: Rc<Options>,
    mut phases: watch::Receiver<Phase>,
) {
    let service = Rc::new(Service { callers, fleet, face, options, in_flight: InFlight::default() });
    let mut connections = JoinSet::new();
    let mut guests = Guests::default();
    loop {
        if connections.len() >= limits::CALLER_CONNECTIONS {
            guests.send_away();
        }
        let accepted = tokio::select! {
            biased;
            _ = phases.wait_for(|phase| *phase != Phase::Open) => break,
            _ = connections.join_next(), if connections.len() >= limits::CALLER_CONNECTIONS => continue,
            accepted = listener.accept() => accepted,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, caller)) => {
                let (caller, guest, phases) = (caller.ip(), guests.welcome(), phases.clone());
                connections.spawn_local(serve(stream, caller, guest, Rc::clone(&service), phases));
            }
            // There are no more descriptors, perhaps.
            Err(_) if guests.send_away() => yield_now().await,
            Err(error) => {
                log::warn!("a caller cannot connect: {error}");
                sleep(limits::ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// What callers are served with.
struct Service {
    callers: Callers,
    fleet: Rc<Fleet>,
    face: Face,
    options: Rc<Options>,
    in_flight: InFlight,
}

/// How callers are met.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    pub(crate) url: UrlConfig,
    pub(crate) gate: Gate,
    /// What the page shows: of this function, and of others.
    pub(crate) feeds: Vec<Arc<Feed>>,
    /// Other functions that are called by their names; then this one is, too.
    pub(crate) others: Vec<Callers>,
    /// Callers are those of AWS's emulator, in this mode.
    pub(crate) rie: Option<RieMode>,
}

/// Connections on which nobody has asked for anything: they have to go when there is no room for others.
#[derive(Default)]
struct Guests(VecDeque<Weak<Guest>>);

#[derive(Default)]
struct Guest {
    has_spoken: Cell<bool>,
    /// It is to go.
    leave: Notify,
}

/// A function that is called.
#[derive(Clone, Copy)]
enum Target<'s> {
    Here(&'s Callers, &'s Fleet),
    There(&'s Callers),
}

impl Target<'_> {
    fn callers(&self) -> &Callers {
        let (Self::Here(callers, _) | Self::There(callers)) = self;
        callers
    }

    fn submit(&self, job: Job) -> Result<(), InvokeError> {
        match self {
            Self::Here(_, fleet) => fleet.submit(job),
            Self::There(callers) => callers.send(job)?,
        }
        Ok(())
    }
}

impl Service {
    /// The function of this ARN, or the one that is here: where there is one alone, any name is its own.
    fn target(&self, arn: Option<&str>) -> Option<Target<'_>> {
        let others = &self.options.others;
        let name = arn.filter(|_| !others.is_empty()).map(arn::name).filter(|name| *name != self.callers.function());
        match name {
            None => Some(Target::Here(&self.callers, &self.fleet)),
            Some(name) => others.iter().find(|other| other.function() == name).map(Target::There),
        }
    }
}

impl Guests {
    fn welcome(&mut self) -> Rc<Guest> {
        // Those who have spoken, or gone, are none any more.
        let is_silent = |guest: &Weak<Guest>| guest.upgrade().is_some_and(|guest| !guest.has_spoken.get());
        while self.0.front().is_some_and(|guest| !is_silent(guest)) {
            self.0.pop_front();
        }
        let guest = Rc::default();
        self.0.push_back(Rc::downgrade(&guest));
        guest
    }

    /// Sends away the one who has been silent for longest. Returns whether there was one.
    fn send_away(&mut self) -> bool {
        let silent = std::iter::from_fn(|| self.0.pop_front()).filter_map(|guest| guest.upgrade());
        let silent = silent.into_iter().find(|guest| !guest.has_spoken.get());
        silent.inspect(|guest| guest.leave.notify_one()).is_some()
    }
}

/// What a port is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Face {
    /// AWS's API for Lambda.
    Api,
    /// The URL of the function.
    Url,
}

async fn serve(
    stream: TcpStream,
    caller: IpAddr,
    guest: Rc<Guest>,
    service: Rc<Service>,
    mut phases: watch::Receiver<Phase>,
) {
    // A reply is one write: nothing is gained by waiting for more.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        guest.has_spoken.set(true);
        let service = Rc::clone(&service);
        async move {
            let reply = match service.face {
                Face::Api => answer(request, &service).await,
                Face::Url => url::answer(request, caller, &service).await,
            };
            let reply = reply.unwrap_or_else(|exception| exception.reply());
            Ok::<_, Infallible>(if service.options.rie.is_some() { reply } else { reply::identified(reply) })
        }
    });
    // A caller who has nothing more to say may close that half, and still waits for the answer.
    let connection = http1::Builder::new()
        .half_close(true)
        .timer(TokioTimer::new())
        .header_read_timeout(limits::HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = guest.leave.notified(), if !guest.has_spoken.get() => return,
        // The reply that is due is the last.
        _ = phases.wait_for(|phase| *phase != Phase::Open) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        log::debug!("a connection of a caller is lost: {error}");
    }
}

/// An operation of AWS's Lambda that a path names, with the function as it is written there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation<'p> {
    Invoke(&'p str),
    InvokeWithResponseStream(&'p str),
}

/// Has a function answer a caller of AWS's API, if that may call.
async fn answer(request: Request<Incoming>, service: &Service) -> Result<Reply, Exception> {
    if service.options.rie.is_none()
        && let Some(reply) = page::answer(&request, service)
    {
        return reply;
    }
    let gate = &service.options.gate;
    gate.check(request.headers())?;
    let origin = request.headers().get(ORIGIN).cloned();
    let mut reply = match (gate.preflight(request.method(), request.headers()), service.options.rie) {
        (Some(reply), _) => reply,
        (None, Some(mode)) => rie::answer(request, service, mode).await.unwrap_or_else(|exception| exception.reply()),
        (None, None) => invoke(request, service).await.unwrap_or_else(|exception| exception.reply()),
    };
    gate.complete(origin.as_ref(), &mut reply);
    Ok(reply)
}

async fn invoke(request: Request<Incoming>, service: &Service) -> Result<Reply, Exception> {
    let operation = operation_in(request.uri().path()).ok_or(Exception::NotFound)?;
    let (Operation::Invoke(function) | Operation::InvokeWithResponseStream(function)) = operation;
    let function_arn = function_arn(function, request.uri().query(), &service.callers)?;
    if request.method() != Method::POST {
        return Err(Exception::MethodNotAllowed);
    }
    let is_streaming = matches!(operation, Operation::InvokeWithResponseStream(_));
    let (head, body) = request.into_parts();
    let payload = json(collect(body).await?)?;
    let target = service.target(function_arn.as_deref());
    let target = target.ok_or_else(|| Exception::NoFunction(function_arn.clone().unwrap_or_default()))?;
    let execution = if is_streaming { None } else { headers::durable_execution(&head.headers, &payload)? };
    let event = Event { function_arn, ..headers::event(&head.headers, payload)? };
    let invocation_type = headers::invocation_type(&head.headers)?;
    let refused = |error| Exception::new(error, target.callers().is_reserved());
    let reply = match invocation_type {
        InvocationType::DryRun => Ok(reply::dry()),
        InvocationType::Event if is_streaming => {
            Err(Exception::BadParameter("no streamed response to an Event".into()))
        }
        InvocationType::Event => {
            let job = target.callers().event_job(event).map_err(refused)?;
            let reply = reply::taken(job.invocation.id());
            target.submit(job).map_err(refused)?;
            Ok(reply)
        }
        InvocationType::RequestResponse if is_streaming => {
            let (job, response) = target.callers().streaming_job(event).map_err(refused)?;
            target.submit(job).map_err(refused)?;
            Ok(reply::streamed(response, target.callers().version()))
        }
        InvocationType::RequestResponse => {
            let (job, submitted) = target.callers().job(event).map_err(refused)?;
            target.submit(job).map_err(refused)?;
            Ok(reply::answered(submitted.answer().await.map_err(refused)?))
        }
    };
    reply.map(|reply| reply::of_execution(reply, execution))
}

/// The ARN by which a function is invoked that the path and the query of a request name; `None` where they have no more
/// than the name of the one that is here, whose ARN is known.
fn function_arn(function: &str, query: Option<&str>, here: &Callers) -> Result<Option<String>, Exception> {
    let refused = || {
        let function = headers::decoded(function).unwrap_or(function.into());
        Exception::BadParameter(format!("no name of a function: {function}"))
    };
    let name = here.name_of(headers::decoded(function).ok_or_else(refused)?);
    let qualifier = headers::qualifier(query).ok_or_else(refused)?;
    if name == here.function() && qualifier.is_none() {
        return Ok(None);
    }
    arn::invoked(&name, qualifier.as_deref(), here.region()).ok_or_else(refused).map(Some)
}

fn operation_in(path: &str) -> Option<Operation<'_>> {
    let function = |prefix, suffix| {
        let function: &str = path.strip_prefix(prefix)?.strip_suffix(suffix)?;
        (!function.is_empty() && !function.contains('/')).then_some(function)
    };
    let invoke = function("/2015-03-31/functions/", "/invocations").map(Operation::Invoke);
    invoke.or_else(|| {
        let function = function("/2021-11-15/functions/", "/response-streaming-invocations")?;
        Some(Operation::InvokeWithResponseStream(function))
    })
}

/// The event that a function gets for a body, which is JSON; for none, an empty object.
fn json(body: Vec<u8>) -> Result<Vec<u8>, Exception> {
    if body.is_empty() {
        return Ok(b"{}".to_vec());
    }
    let refused = |error: &dyn fmt::Display| {
        Exception::BadContent(format!(
            "Could not parse request body into json: Could not parse payload into json: {error}"
        ))
    };
    // Strings whose value nobody wants are not looked into for UTF-8.
    let text = str::from_utf8(&body).map_err(|error| refused(&error))?;
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| refused(&error))?;
    Ok(body)
}

/// Receives a body. What is too large is received to its end all the same, within bounds, so that the caller is there to
/// answered.
async fn collect(mut body: Incoming) -> Result<Vec<u8>, Exception> {
    let mut payload = Vec::new();
    let mut total: u64 = 0;
    while !body.is_end_stream() {
        let late = |_| Exception::BadContent("the body does not come".to_owned());
        let Some(frame) = timeout(limits::BODY_TIMEOUT, body.frame()).await.map_err(late)? else { break };
        let frame = frame.map_err(|error| Exception::BadContent(error.to_string()))?;
        let Some(data) = frame.data_ref() else { continue };
        total = total.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
        if total <= PAYLOAD_BYTES {
            payload.extend_from_slice(data);
        } else {
            payload = Vec::new();
        }
        if total > PAYLOAD_BYTES.saturating_add(limits::DISCARDED_BYTES) {
            break;
        }
    }
    if total > PAYLOAD_BYTES {
        return Err(Exception::TooLarge);
    }
    Ok(payload)
}

impl Exception {
    fn new(error: InvokeError, is_reserved: bool) -> Self {
        match error {
            InvokeError::Throttled => Self::Throttled { is_reserved },
            InvokeError::EventTooLarge { .. } => Self::TooLarge,
            InvokeError::InvalidValue(error) => Self::BadContent(error.to_string()),
            InvokeError::Stopped => Self::Stopped,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_json_in_utf_8_or_refused() {
        assert!(matches!(json(Vec::new()), Ok(event) if event == b"{}"));
        for event in ["1", r#"{"a":"é"}"#, " [] "] {
            assert!(matches!(json(event.into()), Ok(same) if same == event.as_bytes()), "{event}");
        }
        for event in [&b"{bad"[..], b"\"\xe9\"", b"\"\xc0\xaf\"", b"\"\xed\xa0\x80\"", b"\"\xe2\x82\"", b"1 2", b" "] {
            assert!(matches!(json(event.to_vec()), Err(Exception::BadContent(_))), "{event:?}");
        }
    }

    #[test]
    fn the_path_of_invoke_names_a_function() {
        let invoke = Operation::Invoke("f%3A1");
        assert_eq!(operation_in("/2015-03-31/functions/f%3A1/invocations"), Some(invoke));
        let stream = Operation::InvokeWithResponseStream("f");
        assert_eq!(operation_in("/2021-11-15/functions/f/response-streaming-invocations"), Some(stream));
        for path in [
            "/",
            "/2015-03-31/functions//invocations",
            "/2015-03-31/functions/invocations",
            "/2015-03-31/functions/a/b/invocations",
            "/2015-03-31/functions/f/invocations/",
            "/2021-11-15/functions/f/invocations",
        ] {
            assert_eq!(operation_in(path), None, "{path}");
        }
    }
}
