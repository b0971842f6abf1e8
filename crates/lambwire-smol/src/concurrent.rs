//! Many invocations at a time: as many connections, each with its own loop.

use std::convert::Infallible;
use std::num::NonZeroUsize;

use lambwire::{Context, ErrorReport};
use smol::{LocalExecutor, channel};

use crate::{Error, Runtime};

/// How many invocations AWS may give to one process at a time. It is set on managed instances; `cargo lambda` sets it
/// to 1.
const MAX_CONCURRENCY_VARIABLE: &str = "AWS_LAMBDA_MAX_CONCURRENCY";

/// Type of the report of a [`Failure`] made from another error.
const HANDLER_ERROR: &str = "Function.HandlerError";

/// Why a handler has no answer. Any error becomes one by `?`, of the type `Function.HandlerError`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Type of the error, such as `Function.BadEvent`.
    pub error_type: String,
    /// What happened, for people.
    pub message: String,
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { error_type: HANDLER_ERROR.into(), message: error.to_string() }
    }
}

/// How many invocations at a time the environment asks for, in `AWS_LAMBDA_MAX_CONCURRENCY`: 1 if that is not set, is 0
/// or is no number.
pub fn max_concurrency() -> usize {
    concurrency(std::env::var(MAX_CONCURRENCY_VARIABLE).ok().as_deref())
}

fn concurrency(value: Option<&str>) -> usize {
    value.and_then(|value| value.parse().ok()).map_or(1, NonZeroUsize::get)
}

/// Handles `n` invocations at a time (one, if it is 0) from the Runtime API at `api`, until an error ends it.
///
/// There are `n` connections, each with a loop of its own, and all run on the thread of the caller: handlers take turns
/// where they await. An answer that comes to nothing is told to `observe`, and its loop goes on. Nothing that belongs to
/// one invocation is kept where another could see it; in particular, no environment variable is set.
///
/// ```
/// use lambwire_smol::{Error, lambwire::Context, max_concurrency, serve_concurrent};
///
/// # smol::block_on(async {
/// # let api = "127.0.0.1:1";
/// let handler = async |event: &[u8], _: &Context<'_>| Ok(event.to_ascii_uppercase());
/// let observe = |context: &Context<'_>, error: &Error| eprintln!("{}: {error}", context.request_id.as_str());
/// let Err(error) = serve_concurrent(api, max_concurrency(), handler, observe).await;
/// # assert!(matches!(error, Error::Transport(_)));
/// # });
/// ```
///
/// # Errors
///
/// The first that [`Runtime::next`] gives to any of the loops, or that [is fatal](lambwire::Error::is_fatal). The other
/// loops end with it, and their invocations are not answered.
pub async fn serve_concurrent(
    api: &str,
    n: usize,
    handler: impl AsyncFn(&[u8], &Context<'_>) -> Result<Vec<u8>, Failure>,
    observe: impl Fn(&Context<'_>, &Error),
) -> Result<Infallible, Error> {
    let (tx, rx) = channel::bounded(1);
    let executor = LocalExecutor::new();
    for _ in 0..n.max(1) {
        let end = async {
            // Only the first end counts.
            let _ = tx.try_send(serve(api, &handler, &observe).await);
        };
        executor.spawn(end).detach();
    }
    let end = executor.run(rx.recv()).await;
    end.expect("the sender outlives the loops")
}

async fn serve(
    api: &str,
    handler: &impl AsyncFn(&[u8], &Context<'_>) -> Result<Vec<u8>, Failure>,
    observe: &impl Fn(&Context<'_>, &Error),
) -> Result<Infallible, Error> {
    let mut runtime = Runtime::connect(api).await?;
    let mut buf = Vec::new();
    loop {
        let invocation = runtime.next(&mut buf).await?;
        let context = invocation.context;
        let answered = match handler(invocation.payload, &context).await {
            Ok(body) => invocation.respond(&body).await,
            Err(Failure { error_type, message }) => invocation.fail(&ErrorReport::new(&error_type, &message)).await,
        };
        match answered {
            Err(error) if error.is_fatal() => return Err(error),
            Err(error) => observe(&context, &error),
            Ok(()) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn concurrency_is_at_least_one() {
        for (value, expected) in [(None, 1), (Some(""), 1), (Some("0"), 1), (Some("-2"), 1), (Some("8"), 8)] {
            assert_eq!(super::concurrency(value), expected, "{value:?}");
        }
    }
}
