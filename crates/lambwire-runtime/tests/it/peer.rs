//! The Runtime API's end, driven by a test: `lambwire::Server` on a blocking socket.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use lambwire_runtime::lambwire::{
    ACCEPTED_BODY, ApiError, Body, Context, InvocationId, MessageReader, Progress, Reply, Request, RequestId, Server,
    StreamError,
};

/// The X-Ray trace header of every invocation.
pub(crate) const TRACE_ID: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1";

pub(crate) const ID: &str = "8476a536-e9f4-11e8-9739-2dfe598c3fcd";
pub(crate) const NONCE: &[u8] = b"02876d80-77eb";

/// Long enough for whatever a test waits for that does come.
const AMPLE: Duration = Duration::from_secs(300);

/// One connection from the runtime.
pub(crate) struct Peer {
    stream: TcpStream,
    server: Server,
    reader: MessageReader,
    buf: Vec<u8>,
}

/// Starts a Runtime API that does as `script` says, and returns where it is.
pub(crate) fn with_script<V: Send + 'static>(
    script: impl FnOnce(&TcpListener) -> V + Send + 'static,
) -> (String, JoinHandle<V>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let api = listener.local_addr().expect("its number").to_string();
    (api, std::thread::spawn(move || script(&listener)))
}

impl Peer {
    pub(crate) fn accept(listener: &TcpListener) -> Self {
        let (stream, _) = listener.accept().expect("a runtime");
        stream.set_read_timeout(Some(AMPLE)).expect("a connection");
        Self { stream, server: Server::new(), reader: MessageReader::new(), buf: vec![0; 8 << 20] }
    }

    /// Waits for a request, and gives what it says in a line, and its body.
    pub(crate) fn request(&mut self) -> (String, Vec<u8>) {
        loop {
            match self.reader.receive_request(&mut self.server, &mut self.buf).expect("a request") {
                Progress::Complete(whole) => {
                    let message = whole.read(&self.server, &self.buf).expect("its buffer");
                    let mut room = vec![0; 65536];
                    let failure = StreamError::find(message.trailers).map(|error| {
                        let report = error.report(&mut room).expect("base64");
                        format!(" {} {}", error.error_type.escape_ascii(), report.escape_ascii())
                    });
                    return (said(&message.head) + &failure.unwrap_or_default(), message.body.to_vec());
                }
                Progress::NeedSpace { total } => self.buf.resize(total, 0),
                Progress::NeedInput => {
                    let len = self.stream.read(self.reader.space(&mut self.buf)).expect("bytes");
                    assert!(len > 0, "the runtime hung up");
                    self.reader.filled(len);
                }
            }
        }
    }

    pub(crate) fn reply(&mut self, reply: &Reply<'_>, body: &[u8]) {
        let spoken = self.spoken(reply, body);
        self.write(&spoken);
    }

    fn spoken(&mut self, reply: &Reply<'_>, body: &[u8]) -> Vec<u8> {
        let mut out = vec![0; 4096];
        let len = self.server.send(reply, Body::Exact(body.len() as u64), &mut out).expect("its turn");
        self.server.frame(body.len()).expect("as announced");
        out.truncate(len);
        out.extend_from_slice(body);
        out
    }

    /// Takes a next, and answers it with an event in chunks.
    pub(crate) fn invoke_in_chunks(&mut self, event: &[u8], chunk: usize) {
        assert_eq!(self.request().0, "next");
        let mut out = vec![0; 4096];
        let len = self.server.send(&Reply::Invocation(context()), Body::Chunked, &mut out).expect("its turn");
        self.write(&out[..len]);
        for piece in event.chunks(chunk) {
            let frame = self.server.frame(piece.len()).expect("a chunk");
            self.write(&[frame.before(), piece, frame.after()].concat());
        }
        let len = self.server.finish(&mut out).expect("the end");
        self.write(&out[..len]);
    }

    /// Takes a next, and answers it with an event.
    pub(crate) fn invoke(&mut self, event: &[u8]) {
        assert_eq!(self.request().0, "next");
        self.reply(&Reply::Invocation(context()), event);
    }

    /// Takes an answer, says that it is taken, and gives what it was.
    pub(crate) fn take_answer(&mut self) -> (String, Vec<u8>) {
        let answer = self.request();
        self.reply(&Reply::Accepted, ACCEPTED_BODY);
        answer
    }

    /// Says no to whatever comes next.
    pub(crate) fn refuse(&mut self, error: ApiError<'_>) {
        let mut body = vec![0; 512];
        let len = error.write(&mut body).expect("room");
        self.request();
        self.reply(&error.reply(), &body[..len]);
    }

    /// Accepts the answer that [`request`](Self::request) returned, and replies to the pipelined `next`, in one write.
    pub(crate) fn accept_and_invoke(&mut self, event: &[u8]) {
        let mut replies = self.spoken(&Reply::Accepted, ACCEPTED_BODY);
        assert_eq!(self.request().0, "next");
        replies.extend(self.spoken(&Reply::Invocation(context()), event));
        self.write(&replies);
    }

    /// Reads until the bytes that have come end with these, and an empty line somewhere behind them.
    pub(crate) fn read_until(&mut self, bytes: &[u8]) {
        while !self.pipelined().windows(bytes.len()).any(|window| window == bytes) {
            let len = self.stream.read(self.reader.space(&mut self.buf)).expect("bytes");
            assert!(len > 0, "the runtime hung up");
            self.reader.filled(len);
        }
    }

    /// What has come behind the last request.
    fn pipelined(&self) -> &[u8] {
        self.reader.clone().take_rest(&self.buf).expect("its buffer")
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("a reader");
    }

    /// Writes as much as the runtime takes before it hangs up.
    pub(crate) fn write_some(mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
        self.closed();
    }

    /// Reads so many bytes, whatever they say.
    pub(crate) fn read_raw(&mut self, len: usize) {
        self.stream.read_exact(&mut vec![0; len]).expect("bytes");
    }

    /// Says no more, and goes on listening.
    pub(crate) fn fall_silent(&mut self) {
        self.stream.shutdown(std::net::Shutdown::Write).expect("a connection");
    }

    /// Breaks the connection off.
    pub(crate) fn reset(self) {
        rustix::net::sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO)).expect("a socket");
    }

    /// Reads until the runtime closes the connection, and gives how much has come behind the last request.
    pub(crate) fn read_rest(mut self) -> usize {
        let mut rest = self.pipelined().to_vec();
        // A connection that was closed with bytes unread is reset.
        if let Err(error) = self.stream.read_to_end(&mut rest) {
            assert_ne!(error.kind(), ErrorKind::WouldBlock, "the runtime does not hang up");
        }
        rest.len()
    }

    /// Waits until the runtime closes the connection.
    pub(crate) fn closed(mut self) {
        match self.stream.read(&mut [0; 1]) {
            Ok(len) => assert_eq!(len, 0),
            Err(error) => assert_ne!(error.kind(), ErrorKind::WouldBlock, "the runtime does not hang up"),
        }
    }
}

pub(crate) fn context() -> Context<'static> {
    let mut context = Context::new(RequestId::new(ID).expect("an id"));
    context.invocation_id = InvocationId::new(NONCE).ok();
    context.trace_id = Some(TRACE_ID);
    context
}

fn said(request: &Request<'_>) -> String {
    match request {
        Request::Response { id, invocation_id, content_type, mode } => {
            assert_eq!((id.as_str(), invocation_id.map(|id| id.as_bytes())), (ID, Some(NONCE)));
            format!("response {mode:?} {}", content_type.unwrap_or_default())
        }
        Request::Error { id, invocation_id, headers } => {
            assert_eq!((id.as_str(), invocation_id.map(|id| id.as_bytes())), (ID, Some(NONCE)));
            format!("error {}", headers.error_type.unwrap_or_default())
        }
        Request::InitError(headers) => format!("init error {}", headers.error_type.unwrap_or_default()),
        Request::RestoreError(headers) => format!("restore error {}", headers.error_type.unwrap_or_default()),
        request => request.kind().to_string(),
    }
}
