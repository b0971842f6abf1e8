//! Many invocations at a time: as many connections, each with its own loop.

use std::cell::OnceCell;
use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::time::Duration;

use lambwire::{Context, ENV_MAX_CONCURRENCY, Pipelining};
use smol::{LocalExecutor, Timer, channel, future};

use crate::{Error, Failure, Invocation, Response, Runtime};

/// How long the other loops wait for an event when one has failed: it may have come, and the reactor is still to say so.
const LAST_EVENTS: Duration = Duration::from_millis(50);

/// How many invocations at a time the environment asks for, in `AWS_LAMBDA_MAX_CONCURRENCY`: 1 if that is not set, is 0
/// or is no number.
pub fn max_concurrency() -> usize {
    concurrency(std::env::var(ENV_MAX_CONCURRENCY).ok().as_deref())
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
/// # let nobodys = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
/// # let api = nobodys.as_str();
/// let observe = |context: &Context<'_>, error: &Error| eprintln!("{}: {error:#}", context.request_id);
/// let error = serve_concurrent(api, max_concurrency(), async |event, _| Ok(event.into()), observe).await;
/// # assert!(matches!(error, Error::Transport { .. }));
/// # });
/// ```
///
/// # Errors
///
/// The first that [`Runtime::next`] gives to any of the loops, or that [is fatal](lambwire::Error::is_fatal). The other
/// loops answer the invocation that they have, or get within 50 ms, however long that takes, and end with it.
pub async fn serve_concurrent(
    api: &str,
    n: usize,
    handler: impl for<'e> AsyncFn(&'e [u8], &Context<'e>) -> Result<Response<'e>, Failure>,
    observe: impl Fn(&Context<'_>, &Error),
) -> Error {
    let first = OnceCell::new();
    // Says no more than that it is closed.
    let (end, ended) = channel::bounded::<Infallible>(1);
    let serve = async || -> Result<(), Error> {
        let mut runtime = Runtime::connect(api).await?;
        let mut buf = Vec::new();
        let mut is_asked = false;
        while std::mem::take(&mut is_asked) || !end.is_closed() {
            let next = runtime.next(&mut buf);
            let no_more = async {
                let _ = ended.recv().await;
                Timer::after(LAST_EVENTS).await;
                None
            };
            let Some(invocation) = future::or(async { Some(next.await) }, no_more).await else { break };
            let invocation = invocation?;
            let Invocation { context, payload, .. } = invocation;
            let response = invocation.handled(handler(payload, &context)).await;
            is_asked = !end.is_closed();
            invocation.runtime.pipelining = if is_asked { Pipelining::Next } else { Pipelining::Off };
            invocation.answer(response, &mut &observe).await?;
        }
        Ok(())
    };
    let executor = LocalExecutor::new();
    let loops: Vec<_> = (0..n.max(1))
        .map(|_| {
            executor.spawn(async {
                let _end = ClosedIfDropped(&end);
                if let Err(error) = serve().await {
                    let _ = first.set(error);
                }
            })
        })
        .collect();
    executor
        .run(async {
            for each in loops {
                each.await
            }
        })
        .await;
    drop(executor);
    first.into_inner().expect("no loop ends before one has failed")
}

/// A channel that is closed when a loop ends, be it by a panic.
struct ClosedIfDropped<'c>(&'c channel::Sender<Infallible>);

impl Drop for ClosedIfDropped<'_> {
    fn drop(&mut self) {
        self.0.close();
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
