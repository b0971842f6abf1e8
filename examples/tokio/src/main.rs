//! A function on tokio: it shouts.

use lambwire_runtime::Error;
use tokio_adapter::Runtime;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Err(tokio.block_on(serve()).unwrap_or_else(|error| error).into())
}

async fn serve() -> Result<Error, Error> {
    let mut runtime = Runtime::from_env().await?;
    let served = runtime.serve(
        async |event, _| Ok(event.to_ascii_uppercase().into()),
        |context, error| eprintln!("{}: {error:#}", context.request_id),
    );
    Ok(served.await)
}
