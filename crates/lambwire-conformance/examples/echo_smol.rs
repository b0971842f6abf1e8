//! The kit's function on lambwire-smol, with as many invocations at a time as the environment asks for.

mod function;

use std::process::ExitCode;

use function::Order;
use lambwire_smol::lambwire::{Context, ENV_RUNTIME_API};
use lambwire_smol::{
    Error, Failure, Response, Runtime, Sigterm, is_snap_start, max_concurrency, remaining, serve_concurrent,
};
use smol::stream;

fn main() -> ExitCode {
    let error = smol::block_on(run()).unwrap_or_else(|error| error);
    eprintln!("echo_smol: {error:#}");
    ExitCode::FAILURE
}

/// Serves until an error ends it.
async fn run() -> Result<Error, Error> {
    let observe = |_: &Context<'_>, error: &Error| eprintln!("echo_smol: {error:#}");
    if max_concurrency() > 1 {
        let api = std::env::var(ENV_RUNTIME_API).unwrap_or_default();
        return Ok(
            serve_concurrent(&api, max_concurrency(), async |event, context| answer(event, context), observe).await
        );
    }
    let mut runtime = Runtime::from_env().await?;
    runtime.init(async { Ok(function::start()?) }).await;
    if function::waits_for_sigterm() {
        let mut sigterm = Sigterm::register(&std::env::var(ENV_RUNTIME_API).unwrap_or_default()).await?;
        let end = smol::spawn(async move {
            sigterm.received().await;
            std::process::exit(0)
        });
        end.detach();
    }
    if is_snap_start() {
        runtime.restore_next().await?;
    }
    Ok(runtime.serve_observed(async |event, context| answer(event, context), observe).await)
}

fn answer<'e>(event: &'e [u8], context: &Context<'e>) -> Result<Response<'e>, Failure> {
    let left = remaining(context).unwrap_or_default().as_millis();
    Ok(match function::order(event, context, left)? {
        Order::Echo => event.into(),
        Order::Answer(body) => body.into(),
        Order::Stream(pieces) => {
            let pieces = pieces.into_iter().map(|piece| piece.map_err(Failure::from));
            Response::stream("application/octet-stream", Box::pin(stream::iter(pieces.collect::<Vec<_>>())))
        }
    })
}
