//! Answers with the event as it came; the tests against other servers run it.
//!
//! The handler, `_HANDLER`, says how: `echo`, `serve` for the same one request ahead, `stream`, `stream-http`, `stream-fail` after the event, `fail`,
//! `oversize` with a response of one byte too many, or `init-error`.

use std::process::ExitCode;

use lambwire_smol::lambwire::{Context, ErrorReport, Prelude, SendError, limits};
use lambwire_smol::{Error, Invocation, Runtime, Stream};

/// Bytes that a stream sends at once.
const PIECE: usize = 64 * 1024;

fn main() -> ExitCode {
    let handler = std::env::var("_HANDLER").unwrap_or_default();
    match smol::block_on(run(&handler)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(handler: &str) -> Result<(), Error> {
    let mut runtime = Runtime::from_env().await?;
    if handler == "init-error" {
        return runtime.init_error(&ErrorReport::new("Function.InitError", "told to fail at the start")).await;
    }
    if handler == "serve" {
        let tell = |_: &Context<'_>, error: &Error| eprintln!("echo: {error}");
        return runtime.serve(async |event, _| Ok(event.into()), tell).await.map(|never| match never {});
    }
    let mut buf = Vec::new();
    loop {
        match answer(handler, runtime.next(&mut buf).await?).await {
            Err(error) if error.is_fatal() => return Err(error),
            Err(error) => eprintln!("echo: {error}"),
            Ok(()) => {}
        }
    }
}

async fn answer(handler: &str, invocation: Invocation<'_, '_>) -> Result<(), Error> {
    let event = invocation.payload;
    match handler {
        "fail" => {
            let report = ErrorReport {
                message: "told to fail",
                error_type: "Function.ToldToFail",
                stack_trace: &["at answer", "at run"],
            };
            invocation.fail(&report).await
        }
        "stream" => stream(invocation.stream("application/octet-stream"), event).await?.finish().await,
        "stream-http" => {
            let headers = [("content-type", "text/plain")];
            let prelude = Prelude { status_code: 201, headers: &headers, multi_value_headers: &[], cookies: &["a=b"] };
            stream(invocation.stream_http(&prelude).await?, event).await?.finish().await
        }
        "stream-fail" => {
            let stream = stream(invocation.stream("application/octet-stream"), event).await?;
            stream.fail(&ErrorReport::new("Function.MidStream", "told to fail on the way")).await
        }
        "oversize" => {
            let Ok(size) = usize::try_from(limits::PAYLOAD_BYTES + 1) else {
                return Err(SendError::OutOfTurn.into());
            };
            invocation.respond(&vec![b'x'; size]).await
        }
        _ => invocation.respond_as("application/octet-stream", event).await,
    }
}

async fn stream<'r, 'b>(mut stream: Stream<'r, 'b>, event: &[u8]) -> Result<Stream<'r, 'b>, Error> {
    for piece in event.chunks(PIECE) {
        stream.write(piece).await?;
    }
    Ok(stream)
}
