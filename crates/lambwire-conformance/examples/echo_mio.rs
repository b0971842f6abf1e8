//! The kit's function on lambwire-mio.

mod function;

use std::process::ExitCode;

use function::Order;
use lambwire_mio::lambwire::{Context, ENV_RUNTIME_API};
use lambwire_mio::{Error, Failure, Response, Runtime, is_snap_start, on_sigterm, remaining};

fn main() -> ExitCode {
    let error = run().unwrap_or_else(|error| error);
    eprintln!("echo_mio: {error:#}");
    ExitCode::FAILURE
}

/// Serves until an error ends it.
fn run() -> Result<Error, Error> {
    let mut runtime = Runtime::from_env()?;
    runtime.init(|| Ok(function::start()?));
    if function::waits_for_sigterm() {
        on_sigterm(&std::env::var(ENV_RUNTIME_API).unwrap_or_default(), || {})?;
    }
    if is_snap_start() {
        runtime.restore_next()?;
    }
    Ok(runtime.serve_observed(answer, |_, error| eprintln!("echo_mio: {error:#}")))
}

fn answer<'e>(event: &'e [u8], context: &Context<'e>) -> Result<Response<'e>, Failure> {
    let left = remaining(context).unwrap_or_default().as_millis();
    Ok(match function::order(event, context, left)? {
        Order::Echo => event.into(),
        Order::Answer(body) => body.into(),
        Order::Stream(pieces) => {
            let pieces = pieces.into_iter().map(|piece| piece.map_err(Failure::from));
            Response::stream("application/octet-stream", Box::new(pieces))
        }
    })
}
