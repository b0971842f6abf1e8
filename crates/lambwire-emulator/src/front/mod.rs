//! The port for callers: AWS's Invoke over HTTP.

use std::convert::Infallible;
use std::net::{TcpListener, TcpStream};
use std::pin::pin;
use std::rc::Weak;
use std::sync::Arc;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request};
use lambwire::limits::PAYLOAD_BYTES;
use smol::future;
use smol::lock::Semaphore;
use smol::{Async, LocalExecutor, Timer};
use smol_hyper::rt::FuturesIo;

use crate::arn;
use crate::callers::{Callers, InvokeError};
use crate::limits;

mod headers;
mod reply;

use headers::InvocationType;
use reply::{Exception, Reply};

/// Takes connections from callers until no more events are taken, and waits for the connections to end.
pub(crate) async fn listen(listener: Async<TcpListener>, callers: Callers, executor: Weak<LocalExecutor<'static>>) {
    let slots = Arc::new(Semaphore::new(limits::CALLER_CONNECTIONS));
    let accepting = async {
        loop {
            let slot = slots.acquire_arc().await;
            match listener.accept().await {
                Ok((stream, _)) => {
                    let callers = callers.clone();
                    let connection = async move {
                        serve(stream, callers).await;
                        drop(slot);
                    };
                    let Some(executor) = executor.upgrade() else { return };
                    executor.spawn(connection).detach();
                }
                Err(error) => {
                    log::warn!("a caller cannot connect: {error}");
                    Timer::after(limits::ACCEPT_PAUSE).await;
                }
            }
        }
    };
    future::or(accepting, callers.closed()).await;
    let mut ended = Vec::new();
    while ended.len() < limits::CALLER_CONNECTIONS {
        ended.push(slots.acquire().await);
    }
}

async fn serve(stream: Async<TcpStream>, callers: Callers) {
    // A reply is one write: nothing is gained by waiting for more.
    let _ = stream.get_ref().set_nodelay(true);
    let service = service_fn(|request| {
        let callers = callers.clone();
        async move {
            let reply = answer(request, &callers).await;
            Ok::<_, Infallible>(reply.unwrap_or_else(|exception| exception.reply()))
        }
    });
    // A caller who has nothing more to say may close that half, and still waits for the answer.
    let connection = http1::Builder::new().half_close(true).serve_connection(FuturesIo::new(stream), service);
    let mut connection = pin!(connection);
    let served = async { Some(connection.as_mut().await) };
    let closed = async {
        callers.closed().await;
        None
    };
    let result = match future::or(served, closed).await {
        Some(result) => result,
        // The reply that is due is the last.
        None => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        log::debug!("a connection of a caller is lost: {error}");
    }
}

async fn answer(request: Request<Incoming>, callers: &Callers) -> Result<Reply, Exception> {
    let function = function_in(request.uri().path()).ok_or(Exception::NotFound)?;
    let function_arn = headers::decoded(function)
        .zip(headers::qualifier(request.uri().query()))
        .and_then(|(function, qualifier)| arn::invoked(&function, qualifier.as_deref(), callers.region()))
        .ok_or_else(|| Exception::BadParameter(format!("no name of a function: {function}")))?;
    if request.method() != Method::POST {
        return Err(Exception::MethodNotAllowed);
    }
    let (head, body) = request.into_parts();
    let payload = collect(body).await?;
    let event = headers::event(&head.headers, payload)?.function_arn(function_arn);
    let invocation_type = headers::invocation_type(&head.headers)?;
    if invocation_type == InvocationType::DryRun {
        return Ok(reply::dry());
    }
    let submitted = callers.submit(event)?;
    if invocation_type == InvocationType::Event {
        return Ok(reply::taken(&submitted.request_id));
    }
    Ok(reply::answered(submitted.answer().await?))
}

/// The function in a path of Invoke, as it is written there.
fn function_in(path: &str) -> Option<&str> {
    let function = path.strip_prefix("/2015-03-31/functions/")?.strip_suffix("/invocations")?;
    (!function.is_empty() && !function.contains('/')).then_some(function)
}

/// Receives a body. What is too large is received to its end all the same, within bounds, so that the caller is there to
/// be told.
async fn collect(mut body: Incoming) -> Result<Vec<u8>, Exception> {
    let mut payload = Vec::new();
    let mut total: u64 = 0;
    while let Some(frame) = body.frame().await {
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

impl From<InvokeError> for Exception {
    fn from(error: InvokeError) -> Self {
        match error {
            InvokeError::Throttled => Self::Throttled,
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
    fn the_path_of_invoke_names_a_function() {
        assert_eq!(function_in("/2015-03-31/functions/f%3A1/invocations"), Some("f%3A1"));
        for path in [
            "/",
            "/2015-03-31/functions//invocations",
            "/2015-03-31/functions/invocations",
            "/2015-03-31/functions/a/b/invocations",
            "/2015-03-31/functions/f/invocations/",
            "/2021-11-15/functions/f/invocations",
        ] {
            assert_eq!(function_in(path), None, "{path}");
        }
    }
}
