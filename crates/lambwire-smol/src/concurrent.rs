//! Many invocations at a time: as many connections, each with its own loop.

use std::convert::Infallible;
use std::num::NonZeroUsize;

use lambwire::{Context, MAX_CONCURRENCY_VARIABLE};
use smol::{LocalExecutor, channel};

use crate::{Answer, Error, Failure, Runtime};

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
/// There are `n` connections, each with a loop as [`Runtime::serve`] has it, and all run on the thread of the caller:
/// handlers take turns where they await. Nothing that belongs to one invocation is kept where another could see it; in
/// particular, no environment variable is set.
///
/// ```
/// use lambwire_smol::{Error, lambwire::Context, max_concurrency, serve_concurrent};
///
/// # smol::block_on(async {
/// # let api = "127.0.0.1:1";
/// let observe = |context: &Context<'_>, error: &Error| eprintln!("{}: {error}", context.request_id);
/// let Err(error) = serve_concurrent(api, max_concurrency(), async |event, _| Ok(event.into()), observe).await;
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
    handler: impl for<'e> AsyncFn(&'e [u8], &Context<'e>) -> Result<Answer<'e>, Failure>,
    observe: impl Fn(&Context<'_>, &Error),
) -> Result<Infallible, Error> {
    let (tx, rx) = channel::bounded(1);
    let serve = async || Runtime::connect(api).await?.serve(&handler, &observe).await;
    let executor = LocalExecutor::new();
    for _ in 0..n.max(1) {
        let end = async {
            // Only the first end counts.
            let _ = tx.try_send(serve().await);
        };
        executor.spawn(end).detach();
    }
    let end = executor.run(rx.recv()).await;
    end.expect("the sender outlives the loops")
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
