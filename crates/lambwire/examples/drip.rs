//! A reply whose head has as many bytes as the first argument says, received one byte at a time: `just counts` counts
//! what a byte costs. With 0 bytes there is no reply.

use lambwire::{Body, Client, Event, Request};

const START: &str = "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: 8476a536\r\nContent-Length: 0\r\nX: ";
const END: &str = "\r\n\r\n";

fn main() {
    let bytes: usize = std::env::args().nth(1).and_then(|bytes| bytes.parse().ok()).unwrap_or(0);
    let filler = bytes.saturating_sub(START.len() + END.len());
    let head = [START, &"x".repeat(filler), END].concat();
    let mut client = Client::new("127.0.0.1:9001").expect("an address");
    client.send(&Request::Next, Body::Exact(0), &mut [0; 256]).expect("its turn");
    let received = (1..=bytes).find(|&end| {
        let received = client.receive(&head.as_bytes()[..end]).expect("a reply");
        matches!(received.event, Event::Head { .. })
    });
    assert_eq!(received.unwrap_or(0), bytes, "the head is whole with its last byte");
    println!("{bytes} bytes");
}
