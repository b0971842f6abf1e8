//! The kit's function on lambwire-smol, with as many invocations at a time as the environment asks for.

mod function;

use std::convert::Infallible;
use std::process::ExitCode;

use function::Order;
use lambwire_smol::lambwire::{API_VARIABLE, Context};
use lambwire_smol::{Answer, Error, Failure, Runtime, is_snap_start, max_concurrency, remaining, serve_concurrent};
use smol::stream;

fn main() -> ExitCode {
    let Err(error) = smol::block_on(run());
    eprintln!("echo_smol: {error}");
    ExitCode::FAILURE
}

async fn run() -> Result<Infallible, Error> {
    let tell = |_: &Context<'_>, error: &Error| eprintln!("echo_smol: {error}");
    if max_concurrency() > 1 {
        let api = std::env::var(API_VARIABLE).unwrap_or_default();
        return serve_concurrent(&api, max_concurrency(), async |event, context| answer(event, context), tell).await;
    }
    let mut runtime = Runtime::from_env().await?;
    runtime.init(async { Ok(function::start()?) }).await;
    if is_snap_start() {
        runtime.restore(async { Ok(()) }, async { Ok(()) }).await?;
    }
    runtime.serve(async |event, context| answer(event, context), tell).await
}

fn answer<'e>(event: &'e [u8], context: &Context<'e>) -> Result<Answer<'e>, Failure> {
    let left = remaining(context).unwrap_or_default().as_millis();
    Ok(match function::order(event, context, left)? {
        Order::Echo => event.into(),
        Order::Answer(body) => body.into(),
        Order::Stream(pieces) => {
            let pieces = pieces.into_iter().map(|piece| piece.map_err(Failure::from));
            Answer::stream("application/octet-stream", stream::iter(pieces.collect::<Vec<_>>()))
        }
    })
}
