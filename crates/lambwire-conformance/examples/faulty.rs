//! What the kit's tests find wrong: without an argument a runtime that knows nothing of invocation ids, and with a port a
//! server that does nothing for anybody.

use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

fn main() -> io::Result<()> {
    if let Some(port) = env::args().nth(1) {
        return refuse(&TcpListener::bind(format!("127.0.0.1:{port}"))?);
    }
    let api = env::var("AWS_LAMBDA_RUNTIME_API").map_err(io::Error::other)?;
    let mut api = BufReader::new(TcpStream::connect(api)?);
    loop {
        let (id, event) = exchange(&mut api, "GET", "next", b"")?;
        exchange(&mut api, "POST", &format!("{id}/response"), &event)?;
    }
}

fn refuse(listener: &TcpListener) -> io::Result<()> {
    loop {
        let mut caller = BufReader::new(listener.accept()?.0);
        let refusal = b"HTTP/1.1 501 Not Implemented\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        // One that looks whether anybody listens says nothing, and one that has what it wants may be gone.
        let _ = read(&mut caller).and_then(|_| caller.get_ref().write_all(refusal));
    }
}

/// Sends a request, and returns the request id and the body of the reply.
fn exchange(api: &mut BufReader<TcpStream>, method: &str, path: &str, body: &[u8]) -> io::Result<(String, Vec<u8>)> {
    let length = body.len();
    let head = format!(
        "{method} /2018-06-01/runtime/invocation/{path} HTTP/1.1\r\nHost: api\r\nContent-Length: {length}\r\n\r\n"
    );
    api.get_ref().write_all(&[head.as_bytes(), body].concat())?;
    read(api)
}

/// Reads a message of known length.
fn read(from: &mut BufReader<TcpStream>) -> io::Result<(String, Vec<u8>)> {
    let (mut id, mut body) = (String::new(), Vec::new());
    loop {
        let mut line = String::new();
        if from.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("lambda-runtime-aws-request-id") => id = value.to_owned(),
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                body.resize(value.parse().map_err(io::Error::other)?, 0);
            }
            None if line.trim_end().is_empty() => {
                from.read_exact(&mut body)?;
                return Ok((id, body));
            }
            _ => {}
        }
    }
}
