//! A function that answers with its event. `_HANDLER` says how: with `serve`, the next event is asked for in the write of the
//! response.

use std::process::ExitCode;

use lambwire_runtime::Error;
use lambwire_runtime::lambwire::Pipelining;
use tokio_adapter::Runtime;

fn main() -> ExitCode {
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("tokio starts");
    let error = tokio.block_on(echo()).unwrap_or_else(|error| error);
    eprintln!("echo-tokio: {error:#}");
    ExitCode::FAILURE
}

async fn echo() -> Result<Error, Error> {
    let mut runtime = Runtime::from_env().await?;
    if std::env::var("_HANDLER").is_ok_and(|handler| handler != "serve") {
        runtime.pipelining = Pipelining::Off;
    }
    let served = runtime
        .serve(async |event, _| Ok(event.into()), |context, error| eprintln!("{}: {error:#}", context.request_id));
    Ok(served.await)
}
