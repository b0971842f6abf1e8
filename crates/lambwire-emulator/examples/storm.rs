//! The other ends of `scripts/storm.py`: `storm function` does what its events say, well and ill, and `storm plain PORT`
//! is a plain server that streams as much as the function does.

use std::convert::Infallible;
use std::env;
use std::error::Error;
use std::process::{Command, exit};
use std::thread;
use std::time::Duration;

use hyper::Response as Reply;
use hyper::body::{Bytes, Frame};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use lambwire_mio::{Failure, Response, Runtime};

type Anything = Box<dyn Error>;

/// Bytes that are streamed at a time, and how often in a large stream: 200 MiB.
const PIECE: usize = 64 * 1024;
const PIECES: usize = 3200;

fn main() -> Result<(), Anything> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.as_slice() {
        [function] if function == "function" => Err(Runtime::from_env()?.serve(|event, _| obey(event)).into()),
        [plain, port] if plain == "plain" => {
            tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(plain_server(port.parse()?))
        }
        _ => Err("storm function, or storm plain PORT".into()),
    }
}

fn obey(event: &[u8]) -> Result<Response<'_>, Failure> {
    let pieces = |count| Box::new((0..count).map(|_| Ok(vec![b'x'; PIECE])));
    match event {
        b"\"fail\"" => Err(Failure::new("Function.AskedToFail", "asked to fail")),
        b"\"exit\"" => exit(3),
        b"\"hang\"" => loop {
            thread::sleep(Duration::from_secs(1));
        },
        // In a session of its own, so that it does not end with the function's group.
        b"\"child\"" => match Command::new("setsid").args(["sleep", "98765"]).spawn() {
            Ok(_) => Ok(event.into()),
            Err(error) => Err(Failure::new("Function.NoChild", error.to_string())),
        },
        b"\"stream\"" => Ok(Response::stream("application/octet-stream", pieces(2))),
        b"\"large\"" => Ok(Response::stream("application/octet-stream", pieces(PIECES))),
        _ => Ok(event.into()),
    }
}

/// Streams to whoever comes.
async fn plain_server(port: u16) -> Result<(), Anything> {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let service = service_fn(async |_| {
            let pieces = smol::stream::iter(
                (0..PIECES).map(|_| Ok::<_, Infallible>(Frame::data(Bytes::from(vec![b'x'; PIECE])))),
            );
            Ok::<_, Infallible>(Reply::new(http_body_util::StreamBody::new(pieces)))
        });
        // That somebody goes away is no matter.
        let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    }
}
