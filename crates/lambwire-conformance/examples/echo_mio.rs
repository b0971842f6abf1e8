//! The kit's function on lambwire-mio.

mod function;

use std::process::ExitCode;

use function::Order;
use lambwire_mio::lambwire::Context;
use lambwire_mio::{Answer, Error, Failure, Runtime, is_snap_start, remaining};

fn main() -> ExitCode {
    let Err(error) = run();
    eprintln!("echo_mio: {error}");
    ExitCode::FAILURE
}

fn run() -> Result<std::convert::Infallible, Error> {
    let mut runtime = Runtime::from_env()?;
    runtime.init(|| Ok(function::start()?));
    if is_snap_start() {
        runtime.restore(|| Ok(()), || Ok(()))?;
    }
    runtime.serve(answer, |_, error| eprintln!("echo_mio: {error}"))
}

fn answer<'e>(event: &'e [u8], context: &Context<'e>) -> Result<Answer<'e>, Failure> {
    let left = remaining(context).unwrap_or_default().as_millis();
    Ok(match function::order(event, context, left)? {
        Order::Echo => event.into(),
        Order::Answer(body) => body.into(),
        Order::Stream(pieces) => {
            let pieces = pieces.into_iter().map(|piece| piece.map_err(Failure::from));
            Answer::stream("application/octet-stream", pieces)
        }
    })
}
