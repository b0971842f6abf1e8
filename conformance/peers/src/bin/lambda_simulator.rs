//! A front for callers before `lambda-simulator`, which is a library: `lambda_simulator PORT API_PORT SECONDS`.

use std::sync::Arc;
use std::time::Duration;

use lambda_simulator::{InvocationBuilder, InvocationStatus, Simulator};
use serde_json::{Value, json};
use tiny_http::{Request, Response, Server};
use tokio::runtime::Handle;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [port, api_port, seconds] = args.as_slice() else { return Err("three arguments are needed".into()) };
    let timeout = Duration::from_secs(seconds.parse()?);
    let simulator = Simulator::builder().function_name("function").port(api_port.parse()?).build().await?;
    let simulator = Arc::new(simulator);
    let server = Arc::new(Server::http(format!("127.0.0.1:{port}"))?);
    let handle = Handle::current();
    tokio::task::spawn_blocking(move || {
        for request in server.incoming_requests() {
            let (simulator, handle) = (simulator.clone(), handle.clone());
            std::thread::spawn(move || answer(request, &simulator, &handle, timeout));
        }
    })
    .await?;
    Ok(())
}

/// Hands the event to the simulator, and waits for what it says has come of it.
fn answer(mut request: Request, simulator: &Simulator, handle: &Handle, timeout: Duration) {
    let mut body = Vec::new();
    let _ = request.as_reader().read_to_end(&mut body);
    let payload: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let invocation = InvocationBuilder::new().payload(payload).timeout_ms(timeout.as_millis() as u64).build();
    let reply = match invocation {
        Ok(invocation) => handle.block_on(async {
            let id = simulator.enqueue(invocation).await;
            match simulator.wait_for_invocation_complete(&id, timeout).await {
                Ok(state) if state.status == InvocationStatus::Success => {
                    let payload = state.response.map(|response| response.payload).unwrap_or_default();
                    Ok((payload, false))
                }
                Ok(state) => {
                    let error = state
                        .error
                        .map(|error| json!({"errorType": error.error_type, "errorMessage": error.error_message}));
                    Ok((error.unwrap_or_default(), true))
                }
                Err(error) => Err(error.to_string()),
            }
        }),
        Err(error) => Err(error.to_string()),
    };
    let _ = match reply {
        Ok((value, failed)) => {
            let mut response = Response::from_string(value.to_string());
            if failed && let Ok(header) = "X-Amz-Function-Error: Unhandled".parse::<tiny_http::Header>() {
                response.add_header(header);
            }
            request.respond(response)
        }
        Err(error) => request.respond(Response::from_string(error).with_status_code(500)),
    };
}
