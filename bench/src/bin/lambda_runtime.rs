//! The peer: an echo on `lambda_runtime`.
//!
//! The handler, `_HANDLER`, says how: `raw` is the least that it can be had for, one thread and an event that is
//! looked through but not taken apart; `template` is what `cargo lambda new` sets up; `many` is `raw` for as many
//! invocations at a time as `AWS_LAMBDA_MAX_CONCURRENCY` says.

use lambda_runtime::{Error, LambdaEvent, Runtime, service_fn};
use serde_json::Value;
use serde_json::value::RawValue;

fn main() -> Result<(), Error> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    match std::env::var("_HANDLER").as_deref() {
        Ok("raw") => builder.enable_all().build()?.block_on(Runtime::new(service_fn(raw)).run()),
        Ok("many") => builder.enable_all().build()?.block_on(Runtime::new(service_fn(raw)).run_concurrent()),
        Ok("template") => tokio::runtime::Runtime::new()?.block_on(lambda_runtime::run(service_fn(parsed))),
        _ => Err("_HANDLER is none of raw, many, template".into()),
    }
}

async fn raw(event: LambdaEvent<Box<RawValue>>) -> Result<Box<RawValue>, Error> {
    Ok(event.payload)
}

async fn parsed(event: LambdaEvent<Value>) -> Result<Value, Error> {
    Ok(event.payload)
}
