//! Responses with the event as it came; the tests against other servers run it.
//!
//! The handler, `_HANDLER`, says how: `echo`, `stream`, `stream-http`, `stream-fail` after the event, `fail`, `oversize`
//! with a response of one byte too many, or `init-error`; `serve` is the pipelined loop, where an event may say
//! what it wants besides, and `sigterm` is the same with a last word at SIGTERM.

use std::process::ExitCode;

use lambwire_mio::lambwire::{ENV_RUNTIME_API, ErrorReport, Prelude, limits};
use lambwire_mio::{Error, Failure, Invocation, Response, Runtime, Stream, on_sigterm};

/// Bytes of a response that is too large.
#[expect(clippy::cast_possible_truncation, reason = "6 MiB")]
const OVERSIZE: usize = limits::PAYLOAD_BYTES as usize + 1;

/// Bytes that a stream sends at once.
const PIECE: usize = 64 * 1024;

fn main() -> ExitCode {
    let handler = std::env::var("_HANDLER").unwrap_or_default();
    match run(&handler) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(handler: &str) -> Result<(), Error> {
    let mut runtime = Runtime::from_env()?;
    if handler == "init-error" {
        return runtime.init_error(&ErrorReport::new("Function.InitError", "asked to fail at the start"));
    }
    if handler == "sigterm" {
        on_sigterm(&std::env::var(ENV_RUNTIME_API).unwrap_or_default(), || eprintln!("echo: SIGTERM"))?;
    }
    if ["serve", "sigterm"].contains(&handler) {
        return Err(runtime.serve(|event, _| obey(event)));
    }
    let mut buf = Vec::new();
    loop {
        match answer(handler, runtime.next(&mut buf)?) {
            Err(error) if error.is_fatal() => return Err(error),
            Err(error) => eprintln!("echo: {error:#}"),
            Ok(()) => {}
        }
    }
}

/// Does what the event says. One that says nothing comes back.
#[expect(clippy::panic, reason = "to be reported")]
fn obey(event: &[u8]) -> Result<Response<'_>, Failure> {
    let failure = |message: &str| Failure::new("Function.AskedToFail", message);
    match event {
        b"fail" => Err(failure("asked to fail")),
        b"panic" => panic!("asked to panic"),
        b"stream-fail" => {
            let pieces = [Ok(b"partial".to_vec()), Err(failure("asked to fail on the way"))];
            Ok(Response::stream("application/octet-stream", Box::new(pieces.into_iter())))
        }
        _ => Ok(event.into()),
    }
}

fn answer(handler: &str, invocation: Invocation<'_, '_>) -> Result<(), Error> {
    let event = invocation.payload;
    match handler {
        "fail" => invocation.fail(&ErrorReport {
            message: "asked to fail",
            error_type: "Function.AskedToFail",
            stack_trace: &["at answer", "at run"],
            written: None,
        }),
        "stream" => stream(invocation.stream("application/octet-stream"), event)?.finish(),
        "stream-http" => {
            let headers = [("content-type", "text/plain")];
            let prelude = Prelude { status_code: 201, headers: &headers, multi_value_headers: &[], cookies: &["a=b"] };
            stream(invocation.stream_http(&prelude)?, event)?.finish()
        }
        "stream-fail" => stream(invocation.stream("application/octet-stream"), event)?
            .fail(&ErrorReport::new("Function.MidStream", "asked to fail on the way")),
        "oversize" => invocation.respond(vec![b'x'; OVERSIZE]),
        _ => invocation.respond(Response::new("application/octet-stream", event)),
    }
}

fn stream<'r, 'b>(mut stream: Stream<'r, 'b>, event: &[u8]) -> Result<Stream<'r, 'b>, Error> {
    event.chunks(PIECE).try_for_each(|piece| stream.write(piece))?;
    Ok(stream)
}
