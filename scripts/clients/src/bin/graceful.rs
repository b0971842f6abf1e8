//! The kit's function on `lambda_runtime` with its graceful shutdown, whose hook writes `gone` to the file `HEARD`.

use lambda_runtime::{Error, LambdaEvent, service_fn, spawn_graceful_shutdown_handler};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    if std::env::var("CONFORMANCE_INIT").as_deref() == Ok("fail") {
        return Err("it fails at the start".into());
    }
    let heard = std::env::var("HEARD")?;
    spawn_graceful_shutdown_handler(|| async move {
        // It is about to end, whether or not this can be written.
        let _ = std::fs::write(heard, "gone");
    })
    .await;
    lambda_runtime::run(service_fn(handler)).await
}

async fn handler(event: LambdaEvent<Value>) -> Result<Value, Error> {
    match event.payload.get("fail").and_then(Value::as_str) {
        Some(message) => Err(message.into()),
        None => Ok(event.payload),
    }
}
