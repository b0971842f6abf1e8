//! A function on tokio: it shouts.

use std::process::ExitCode;

use lambwire_runtime::Error;
use tokio_adapter::Runtime;

fn main() -> ExitCode {
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("tokio starts");
    let error = tokio.block_on(serve()).unwrap_or_else(|error| error);
    eprintln!("{error:#}");
    ExitCode::FAILURE
}

async fn serve() -> Result<Error, Error> {
    let mut runtime = Runtime::from_env().await?;
    let served = runtime.serve(
        async |event, _| Ok(event.to_ascii_uppercase().into()),
        |context, error| eprintln!("{}: {error:#}", context.request_id),
    );
    Ok(served.await)
}
