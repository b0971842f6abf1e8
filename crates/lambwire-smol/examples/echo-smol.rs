//! Responses with the event as it came; the tests against other servers run it.
//!
//! The handler, `_HANDLER`, says how: `echo`, `stream`, `stream-http`, `stream-fail` after the event, `fail`, `oversize`
//! with a response of one byte too many, or `init-error`; `serve` is the pipelined loop, where an event may say
//! what it wants besides, `serve-concurrent` as many of them as the environment asks for, and `sigterm` is `serve` with a
//! last word at SIGTERM.

use std::process::{ExitCode, exit};

use lambwire_smol::lambwire::{Context, ENV_RUNTIME_API, ErrorReport, Prelude, limits};
use lambwire_smol::{
    Error, Failure, Invocation, Response, Runtime, Sigterm, Stream, max_concurrency, serve_concurrent,
};
use smol::lock::Barrier;
use smol::stream;

/// Bytes of a response that is too large.
#[expect(clippy::cast_possible_truncation, reason = "6 MiB")]
const OVERSIZE: usize = limits::PAYLOAD_BYTES as usize + 1;

/// Bytes that a stream sends at once.
const PIECE: usize = 64 * 1024;

fn main() -> ExitCode {
    let handler = std::env::var("_HANDLER").unwrap_or_default();
    match smol::block_on(run(&handler)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(handler: &str) -> Result<(), Error> {
    let api = std::env::var(ENV_RUNTIME_API).unwrap_or_default();
    let meeting = Barrier::new(max_concurrency());
    let tell = |_: &Context<'_>, error: &Error| eprintln!("echo: {error:#}");
    if handler == "serve-concurrent" {
        return Err(serve_concurrent(&api, max_concurrency(), async |event, _| obey(event, &meeting).await, tell).await);
    }
    let mut runtime = Runtime::connect(&api).await?;
    if handler == "init-error" {
        return runtime.init_error(&ErrorReport::new("Function.InitError", "asked to fail at the start")).await;
    }
    if handler == "sigterm" {
        let mut sigterm = Sigterm::register(&api).await?;
        let last_word = async move {
            sigterm.received().await;
            eprintln!("echo: SIGTERM");
            exit(0)
        };
        smol::spawn(last_word).detach();
    }
    if ["serve", "sigterm"].contains(&handler) {
        return Err(runtime.serve(async |event, _| obey(event, &meeting).await).await);
    }
    let mut buf = Vec::new();
    loop {
        match answer(handler, runtime.next(&mut buf).await?).await {
            Err(error) if error.is_fatal() => return Err(error),
            Err(error) => eprintln!("echo: {error:#}"),
            Ok(()) => {}
        }
    }
}

/// Does what the event says. One that says nothing comes back.
#[expect(clippy::panic, reason = "to be reported")]
async fn obey<'e>(event: &'e [u8], meeting: &Barrier) -> Result<Response<'e>, Failure> {
    let failure = |message: &str| Failure::new("Function.AskedToFail", message);
    match event {
        b"fail" => Err(failure("asked to fail")),
        b"panic" => panic!("asked to panic"),
        b"stream-fail" => {
            let pieces = [Ok(b"partial".to_vec()), Err(failure("asked to fail on the way"))];
            Ok(Response::stream("application/octet-stream", Box::pin(stream::iter(pieces))))
        }
        // No answer before as many have come as the process takes.
        b"meet" => {
            meeting.wait().await;
            Ok(event.into())
        }
        _ => Ok(event.into()),
    }
}

async fn answer(handler: &str, invocation: Invocation<'_, '_>) -> Result<(), Error> {
    let event = invocation.payload;
    match handler {
        "fail" => {
            let report = ErrorReport {
                message: "asked to fail",
                error_type: "Function.AskedToFail",
                stack_trace: &["at answer", "at run"],
                written: None,
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
            stream.fail(&ErrorReport::new("Function.MidStream", "asked to fail on the way")).await
        }
        "oversize" => invocation.respond(vec![b'x'; OVERSIZE]).await,
        _ => invocation.respond(Response::new("application/octet-stream", event)).await,
    }
}

async fn stream<'r, 'b>(mut stream: Stream<'r, 'b>, event: &[u8]) -> Result<Stream<'r, 'b>, Error> {
    for piece in event.chunks(PIECE) {
        stream.write(piece).await?;
    }
    Ok(stream)
}
