//! The port for callers: AWS's Invoke over HTTP.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use hyper::Method;
use hyper::header::ORIGIN;
use hyper::http::request::Parts;
use lambwire::limits::PAYLOAD_BYTES;

use crate::arn;
use crate::event::Event;
use crate::fleet::Fleet;
use crate::limits;
use crate::page::Feed;
use crate::queue::{Callers, InvokeError, Job};

mod body;
mod connections;
mod event_stream;
mod head_timer;
mod headers;
mod host;
mod origin;
mod page;
mod reply;
mod rie;
mod socket;
mod url;

use body::{RequestBody, json};
pub(crate) use connections::listen;
use headers::{CallerHeaders, InvocationType};
pub(crate) use origin::Gate;
use reply::{Exception, Reply};
use rie::InFlight;
pub(crate) use rie::RieMode;
pub use url::UrlFormat;
pub(crate) use url::{Cors, UrlConfig};

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
    /// The reply to a request of this caller, with an id.
    async fn reply(&self, head: &mut Parts, body: &mut RequestBody, caller: IpAddr) -> Reply {
        let is_rie = self.options.rie.is_some();
        let reply = match (host::settle(head), self.face) {
            (Err(wrong), _) if is_rie => return rie::malformed(wrong),
            (Err(wrong), _) => Err(Exception::Malformed(wrong)),
            (Ok(()), Face::Api) if is_rie => answer(head, body, self).await,
            (Ok(()), face) => match (host::check_target(head), face) {
                (Err(wrong), _) => Err(wrong),
                (Ok(()), Face::Api) => answer(head, body, self).await,
                // In a box: the future of this is moved with each request, and would be twice as large.
                (Ok(()), Face::Url) => Box::pin(url::answer(head, body, caller, self)).await,
            },
        };
        let reply = reply.unwrap_or_else(|exception| exception.reply());
        if is_rie { reply } else { reply::identified(reply) }
    }

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

/// What a port is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Face {
    /// AWS's API for Lambda.
    Api,
    /// The URL of the function.
    Url,
}

/// An operation of AWS's Lambda that a path names, with the function as it is written there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation<'p> {
    Invoke(&'p str),
    InvokeWithResponseStream(&'p str),
}

/// Has a function answer a caller of AWS's API, if that may call.
async fn answer(head: &mut Parts, body: &mut RequestBody, service: &Service) -> Result<Reply, Exception> {
    if service.options.rie.is_none()
        && let Some(reply) = page::answer(head, service)
    {
        return reply;
    }
    let gate = &service.options.gate;
    gate.check(&head.headers)?;
    let origin = headers::first(&head.headers, &ORIGIN).cloned();
    let mut reply = match (gate.preflight(&head.method, &head.headers), service.options.rie) {
        (Some(reply), _) => reply,
        (None, Some(mode)) => {
            rie::answer(head, body, service, mode).await.unwrap_or_else(|exception| exception.reply())
        }
        (None, None) => invoke(head, body, service).await.unwrap_or_else(|exception| exception.reply()),
    };
    gate.complete(origin.as_ref(), &mut reply);
    Ok(reply)
}

async fn invoke(head: &Parts, body: &mut RequestBody, service: &Service) -> Result<Reply, Exception> {
    let operation = operation_in(head.uri.path()).ok_or(Exception::NotFound)?;
    let (Operation::Invoke(function) | Operation::InvokeWithResponseStream(function)) = operation;
    let function_arn = function_arn(function, head.uri.query(), &service.callers)?;
    if head.method != Method::POST {
        return Err(Exception::MethodNotAllowed);
    }
    let is_streaming = matches!(operation, Operation::InvokeWithResponseStream(_));
    let payload = json(body.collect().await?)?;
    let target = service.target(function_arn.as_deref());
    let target = target.ok_or_else(|| Exception::NoFunction(function_arn.clone().unwrap_or_default()))?;
    let headers = CallerHeaders::new(&head.headers);
    let execution = if is_streaming { None } else { headers.durable_execution(&payload)? };
    let event = Event { function_arn: function_arn.map(Into::into), ..headers.event(payload)? };
    let invocation_type = headers.invocation_type()?;
    let refused = |error| Exception::new(error, target.callers().is_reserved());
    let reply = match invocation_type {
        InvocationType::DryRun => Ok(reply::dry()),
        InvocationType::Event if is_streaming => {
            Err(Exception::BadParameter("no streamed response to an Event".into()))
        }
        InvocationType::Event => {
            check_size(&event)?;
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

/// Whether an event is small enough for nobody to wait for its answer.
fn check_size(event: &Event) -> Result<(), Exception> {
    let limit = limits::ASYNCHRONOUS_BYTES;
    let is_fit = u64::try_from(event.payload.len()).is_ok_and(|len| len <= limit);
    if is_fit { Ok(()) } else { Err(Exception::TooLarge { limit }) }
}

/// The ARN by which a function is invoked that the path and the query of a request name; `None` where they have no more
/// than the name of the one that is here, whose ARN is known.
fn function_arn(function: &str, query: Option<&str>, here: &Callers) -> Result<Option<String>, Exception> {
    let bad = Exception::BadParameter;
    let name = headers::decoded(function).ok_or_else(|| bad(format!("no name of a function: {function}")))?;
    let name = here.name_of(name);
    let qualifier = headers::qualifier(query).ok_or_else(|| bad("the qualifier is not UTF-8".into()))?;
    if name == here.function() && qualifier.is_none() {
        return Ok(None);
    }
    let arn = |qualifier| arn::invoked(&name, qualifier, here.region());
    let refused = || match &qualifier {
        Some(qualifier) if arn(None).is_some() => bad(format!("no qualifier of the function {name}: {qualifier}")),
        _ => bad(format!("no name of a function: {name}")),
    };
    arn(qualifier.as_deref()).ok_or_else(refused).map(Some)
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

impl Exception {
    fn new(error: InvokeError, is_reserved: bool) -> Self {
        match error {
            InvokeError::Throttled => Self::Throttled { is_reserved },
            InvokeError::EventTooLarge { .. } => Self::TooLarge { limit: PAYLOAD_BYTES },
            InvokeError::InvalidValue(error) => Self::BadContent(error.to_string()),
            InvokeError::Stopped => Self::Stopped,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
