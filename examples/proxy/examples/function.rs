//! A function for the tests: gives an event back, fails, or streams, as the event says.

use std::process::ExitCode;

use lambwire_mio::{Error, Failure, Response, Runtime};

fn main() -> ExitCode {
    eprintln!("{:#}", serve().unwrap_or_else(|error| error));
    ExitCode::FAILURE
}

fn serve() -> Result<Error, Error> {
    Ok(Runtime::from_env()?.serve(|event, _| match event {
        b"\"fail\"" => Err(Failure::new("Function.Asked", "as the event says")),
        b"\"stream\"" => {
            Ok(Response::stream("text/plain", Box::new([Ok(b"one ".to_vec()), Ok(b"two".to_vec())].into_iter())))
        }
        b"\"break\"" => {
            let pieces = [Ok(b"one ".to_vec()), Err(Failure::new("Function.Broken", "on the way"))];
            Ok(Response::stream("text/plain", Box::new(pieces.into_iter())))
        }
        b"\"exit\"" => std::process::exit(7),
        event => Ok(event.into()),
    }))
}
