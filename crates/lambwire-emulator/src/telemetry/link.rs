//! The way to a subscriber, over HTTP or TCP.

use std::io;
use std::net::Ipv4Addr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep};

use super::subscription::Destination;
use crate::limits;

/// The way to a subscriber.
pub(super) enum Link {
    Http { port: u16, sender: Option<SendRequest<Full<Bytes>>> },
    Tcp(TcpStream),
}

impl Link {
    /// A link to this destination. One over TCP is connected at once, as AWS has it.
    pub(super) async fn open(destination: Destination) -> io::Result<Self> {
        Ok(match destination {
            Destination::Http { port } => Self::Http { port, sender: None },
            Destination::Tcp { port } => Self::Tcp(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?),
        })
    }

    pub(super) async fn send(&mut self, records: &[String]) -> Result<(), String> {
        match self {
            Self::Tcp(stream) => {
                let lines: String = records.iter().flat_map(|record| [record, "\n"]).collect();
                stream.write_all(lines.as_bytes()).await.map_err(|error| error.to_string())
            }
            Self::Http { port, sender } => {
                let body = Bytes::from(format!("[{}]", records.join(",")));
                let mut kept = match reusable(sender.take()).await {
                    Some(kept) => kept,
                    None => connect(*port).await?,
                };
                let reply = kept.send_request(request(*port, body)?).await.map_err(|error| error.to_string())?;
                let status = reply.status();
                *sender = ends_soon(reply.into_body()).await.then_some(kept);
                if status.is_success() { Ok(()) } else { Err(format!("status {status}")) }
            }
        }
    }
}

fn request(port: u16, body: Bytes) -> Result<Request<Full<Bytes>>, String> {
    let random: Vec<u8> = (0..32).map(|_| fastrand::u8(..)).collect();
    let request = Request::builder()
        .method(Method::POST)
        .uri("/")
        .header("Host", format!("127.0.0.1:{port}"))
        .header("Content-Type", "application/json")
        .header("Sequence-Id", BASE64_STANDARD.encode(random));
    request.body(Full::new(body)).map_err(|error| error.to_string())
}

/// Throws away what a reply says beside its status; says whether that was all, so that the connection takes another
/// request.
async fn ends_soon(mut body: Incoming) -> bool {
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return false };
        bytes += frame.data_ref().map_or(0, Bytes::len);
        if bytes > limits::TELEMETRY_REPLY_BYTES {
            return false;
        }
    }
    true
}

/// A connection that takes another request: after a reply it does not at once.
async fn reusable(sender: Option<SendRequest<Full<Bytes>>>) -> Option<SendRequest<Full<Bytes>>> {
    let mut sender = sender?;
    sender.ready().await.is_ok().then_some(sender)
}

/// Connects to a subscriber, some of whom listen anew for each connection.
async fn connect(port: u16) -> Result<SendRequest<Full<Bytes>>, String> {
    let patience = Instant::now() + limits::CONNECT_PATIENCE;
    let stream = loop {
        match TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await {
            Ok(stream) => break stream,
            Err(error) if Instant::now() >= patience => return Err(error.to_string()),
            Err(_) => sleep(limits::CONNECT_PAUSE).await,
        }
    };
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    spawn_local(async move {
        // Whoever sends hears of it.
        let _ = connection.await;
    });
    Ok(sender)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpListener;
    use std::thread;
    use std::time::Duration;

    use tokio::runtime::{Builder, LocalOptions};
    use tokio::time::timeout;

    use super::*;

    /// Sends a record to a subscriber that answers with `len` bytes of a body of `said`; says whether the connection is
    /// kept.
    fn send_one(len: usize, said: usize) -> Result<bool, String> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let answering = thread::spawn(move || {
            let mut stream = BufReader::new(listener.accept().unwrap().0);
            let mut line = String::new();
            while line != "\r\n" {
                line.clear();
                stream.read_line(&mut line).unwrap();
            }
            stream.read_exact(&mut [0; 3]).unwrap();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {said}\r\n\r\n");
            // Who has had enough goes away in the middle.
            let _ = stream.get_mut().write_all(&[head.as_bytes(), &vec![b'x'; len]].concat());
            stream
        });
        let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap();
        let result = runtime.block_on(async {
            let mut link = Link::open(Destination::Http { port }).await.unwrap();
            let records = ["1".to_owned()];
            timeout(Duration::from_secs(300), link.send(&records)).await.unwrap()?;
            Ok(matches!(link, Link::Http { sender: Some(_), .. }))
        });
        drop(answering.join().unwrap());
        result
    }

    #[test]
    fn a_reply_is_read_to_its_limit_and_its_status_counts_in_any_case() {
        let most = limits::TELEMETRY_REPLY_BYTES;
        for len in [0, most - 1, most, most + 1] {
            assert_eq!(send_one(len, len), Ok(len <= most), "{len}");
        }
        assert_eq!(send_one(most + 1, usize::MAX / 2), Ok(false));
    }
}
