//! One whole invocation through the core, as often as the first argument says: what `just counts` counts.
//!
//! A next and a response go out, an invocation with a head of eight headers and an event of 64 bytes comes in, and then
//! the reply to the response. No byte leaves the process.

use lambwire::{Body, Client, CompleteReply, MessageReader, Mode, Progress, Reply, Request};

const INVOCATION: &[u8] = b"HTTP/1.1 200 OK\r\n\
    Content-Type: application/json\r\n\
    Lambda-Runtime-Aws-Request-Id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r\n\
    Lambda-Runtime-Deadline-Ms: 1795308396682\r\n\
    Lambda-Runtime-Invocation-Id: 02876d80-77eb-449f-9f13-6b6b8d4a1378\r\n\
    Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:123456789012:function:hello\r\n\
    Lambda-Runtime-Trace-Id: Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1\r\n\
    Date: Sun, 22 Nov 2026 00:46:16 GMT\r\n\
    Content-Length: 64\r\n\
    \r\n\
    {\"key1\":\"value1 value1\",\"key2\":\"value2 value2\",\"key3\":\"value3 v\"}";

const ACCEPTED: &[u8] = b"HTTP/1.1 202 Accepted\r\n\
    Content-Type: application/json\r\n\
    Date: Sun, 22 Nov 2026 00:46:16 GMT\r\n\
    Content-Length: 16\r\n\
    \r\n\
    {\"status\":\"OK\"}\n";

fn main() {
    let count = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(1);
    let mut client = Client::new("127.0.0.1:9001").expect("an address");
    let (mut event, mut reply) = (INVOCATION.to_vec(), ACCEPTED.to_vec());
    let mut out = [0; 1024];
    for _ in 0..count {
        invoke(&mut client, &mut event, &mut reply, &mut out);
    }
    println!("{count} invocations");
}

/// One invocation, whose bytes stand in the buffers already, as if they had been read into them.
fn invoke(client: &mut Client, event: &mut [u8], reply: &mut [u8], out: &mut [u8]) {
    client.send(&Request::Next, Body::Exact(0), out).expect("its turn");
    let whole = receive(client, event);
    let message = whole.read(event).expect("a request id");
    let Reply::Invocation(context) = message.head else { unreachable!("an invocation") };
    assert_eq!(message.body.len(), 64);
    let response = Request::Response {
        id: context.request_id,
        invocation_id: context.invocation_id,
        content_type: Some("application/json"),
        mode: Mode::Buffered,
    };
    client.send(&response, Body::Exact(64), out).expect("its turn");
    client.frame(64).expect("as announced");
    assert_eq!(receive(client, reply).rejection(reply), None);
}

/// The reply, of which all bytes come at once.
fn receive(client: &mut Client, buf: &mut [u8]) -> CompleteReply {
    let mut reader = MessageReader::new();
    reader.filled(buf.len());
    match reader.receive_reply(client, buf) {
        Ok(Progress::Complete(whole)) => whole,
        progress => unreachable!("not whole: {progress:?}"),
    }
}
