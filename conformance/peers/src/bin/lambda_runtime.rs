//! The kit's function on `lambda_runtime`. The handler, `_HANDLER`, is `buffered` or `streamed`: a function of the latter
//! kind streams everything.

use lambda_runtime::streaming::{Body, Response, channel};
use lambda_runtime::{Context, Error, LambdaEvent, Runtime, service_fn};
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> Result<(), Error> {
    if std::env::var("CONFORMANCE_INIT").as_deref() == Ok("fail") {
        return Err("asked to fail at the start".into());
    }
    match std::env::var("_HANDLER").as_deref() {
        Ok("streamed") => Runtime::new(service_fn(streamed)).run().await,
        _ if std::env::var_os("AWS_LAMBDA_MAX_CONCURRENCY").is_some() => {
            Runtime::new(service_fn(buffered)).run_concurrent().await
        }
        _ => Runtime::new(service_fn(buffered)).run().await,
    }
}

async fn buffered(event: LambdaEvent<Value>) -> Result<Value, Error> {
    let LambdaEvent { payload, context } = event;
    if let Some(message) = payload.get("fail").and_then(Value::as_str) {
        return Err(message.into());
    }
    if let Some(size) = payload.get("size").and_then(Value::as_u64) {
        return Ok("x".repeat(usize::try_from(size)? - 2).into());
    }
    if payload.get("context").is_some() {
        return Ok(described(&context));
    }
    Ok(payload)
}

async fn streamed(event: LambdaEvent<Value>) -> Result<Response<Body>, Error> {
    let LambdaEvent { payload, context } = event;
    let (mut tx, rx) = channel();
    let pieces = payload.get("stream").and_then(Value::as_array).cloned();
    if pieces.is_none() {
        let whole = buffered(LambdaEvent { payload, context }).await?;
        tokio::spawn(async move { tx.send_data(whole.to_string().into()).await });
        return Ok(Response::from(rx));
    }
    tokio::spawn(async move {
        for piece in pieces.iter().flatten().filter_map(Value::as_str) {
            if tx.send_data(piece.to_owned().into()).await.is_err() {
                return;
            }
        }
        if let Some(message) = payload.get("fail").and_then(Value::as_str) {
            tx.send_error(lambda_runtime_api_client::Error::new(message));
        }
    });
    Ok(Response::from(rx))
}

fn described(context: &Context) -> Value {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap_or_default().as_millis();
    json!({
        "requestId": context.request_id,
        "functionArn": context.invoked_function_arn,
        "remainingMs": u64::try_from(u128::from(context.deadline).saturating_sub(now)).unwrap_or_default(),
        "traceId": context.xray_trace_id,
        "custom": context.client_context.as_ref().map(|client| &client.custom),
        "cognitoIdentityId": context.identity.as_ref().map(|identity| &identity.identity_id),
        "tenantId": context.tenant_id,
    })
}
