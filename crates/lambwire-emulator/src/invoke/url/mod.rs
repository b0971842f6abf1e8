//! The URL of a function: plain HTTP in, an event to the function, and HTTP back.

use std::net::IpAddr;

use hyper::header::{HeaderMap, HeaderValue, ORIGIN};
use hyper::http::request::Parts;

use super::Service;
use super::body::RequestBody;
use super::headers::{CallerHeaders, TRACE_ID};
use super::reply::{Exception, Reply};
use crate::event::{Event, new_id, new_trace_id};
use crate::queue::now_ms;

mod cors;
mod event;
mod pairs;
mod response;
mod response_headers;
mod stream;

pub(crate) use cors::Cors;
pub(super) use stream::UrlStream;

/// The form of events that plain HTTP becomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum UrlFormat {
    /// Version 2.0: function URLs, and HTTP APIs of API Gateway.
    #[default]
    V2,
    /// Version 1.0: REST APIs of API Gateway with a proxy resource, without binary media types.
    V1,
    /// Load balancers.
    Alb,
    /// Load balancers whose target group has multi-value headers turned on.
    AlbMultiValue,
}

/// What the URL of a function is like.
#[derive(Clone, Debug, Default)]
pub(crate) struct UrlConfig {
    pub(crate) format: UrlFormat,
    /// Responses go to their callers as they come.
    pub(crate) is_streaming: bool,
    pub(crate) cors: Option<Cors>,
}

/// Has the function answer a request of plain HTTP, of a page of whatever origin, as on AWS.
pub(super) async fn answer(
    head: &mut Parts,
    body: &mut RequestBody,
    caller: IpAddr,
    service: &Service,
) -> Result<Reply, Exception> {
    service.options.gate.check_host(&head.headers)?;
    let UrlConfig { format, is_streaming, cors } = &service.options.url;
    if let Some(reply) = cors.as_ref().and_then(|cors| cors.preflight(&head.method, &head.headers)) {
        return Ok(reply);
    }
    let body = body.collect().await?;
    let trace_id = traced(&mut head.headers);
    let id = new_id::<String>();
    let payload = event::event(*format, head, &body, caller, service.callers.region(), &id);
    let mut event = Event::new(payload).trace_id(trace_id);
    event.request_id = Some(id);
    let refused = |error| Exception::new(error, service.callers.is_reserved());
    let mut reply = if *is_streaming {
        let (job, response) = service.callers.streaming_job(event).map_err(refused)?;
        service.fleet.submit(job);
        stream::reply(*format, response).await
    } else {
        let (job, submitted) = service.callers.job(event).map_err(refused)?;
        service.fleet.submit(job);
        response::reply(*format, submitted.answer().await.map_err(refused)?)
    };
    if let Some(cors) = cors {
        cors.complete(head.headers.get(ORIGIN), &mut reply);
    }
    Ok(reply)
}

/// The trace header of a request, which gets one if it has none, as from AWS; the invocation has the same.
fn traced(headers: &mut HeaderMap) -> String {
    let trace_id = CallerHeaders::new(headers).trace_id().map_or_else(|| new_trace_id(now_ms() / 1000), str::to_owned);
    // It is text that can be sent.
    if let Ok(value) = HeaderValue::try_from(&trace_id) {
        headers.insert(TRACE_ID, value);
    }
    trace_id
}
