//! A handler by itself, with the protocol in memory.

use lambwire::{
    Body, Client, CompleteReply, Context, MessageReader, Mode, Progress, ReceiveError, Reply, Request, SendError,
    Server,
};
use lambwire_runtime::{Failure, Response, ResponseBody};

use crate::event::Event;
use crate::request::RecordedRequest;

/// The address that a runtime in memory is given.
const ADDRESS: &str = "127.0.0.1:9001";

/// Room for a head, in bytes.
const HEAD_BYTES: usize = lambwire::limits::REPLY_HEAD_BYTES;

/// An event as a runtime has received it, for a handler to be called with. Nothing is sent anywhere.
///
/// ```
/// use lambwire_mio::{Failure, Response, lambwire::Context};
/// use lambwire_testing::Invocation;
///
/// fn shout<'e>(event: &'e [u8], _: &Context<'e>) -> Result<Response<'e>, Failure> {
///     if event == b"null" {
///         return Err("nothing to shout".into());
///     }
///     Ok(event.to_ascii_uppercase().into())
/// }
///
/// assert_eq!(Invocation::new("\"hello\"")?.call(shout)?.text(), "\"HELLO\"");
/// let failed = Invocation::new("null")?.call(shout)?;
/// assert_eq!(failed.error_type.as_deref(), Some("Function.HandlerError"));
/// # Ok::<(), lambwire_testing::Error>(())
/// ```
#[derive(Debug)]
pub struct Invocation {
    client: Client,
    server: Server,
    reply: CompleteReply,
    bytes: Vec<u8>,
}

/// Why the protocol cannot carry what a test wants it to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// A value cannot be sent.
    Send(SendError),
    /// What was sent cannot be received.
    Receive(ReceiveError),
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Send(error) => write!(f, "cannot be sent: {error}"),
            Self::Receive(error) => write!(f, "cannot be received: {error}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<SendError> for Error {
    fn from(error: SendError) -> Self {
        Self::Send(error)
    }
}

impl From<ReceiveError> for Error {
    fn from(error: ReceiveError) -> Self {
        Self::Receive(error)
    }
}

impl Invocation {
    /// Sends an event through the protocol.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] if a value of it cannot stand in a header, or it is larger than Lambda takes.
    pub fn new(event: impl Into<Event>) -> Result<Self, Error> {
        let event = event.into();
        let (mut client, mut server) = (Client::new(ADDRESS)?, Server::new());
        let mut head = vec![0; HEAD_BYTES];
        let len = client.send(&Request::Next, Body::Exact(0), &mut head)?;
        receive(&mut server, &head[..len])?;
        let len = server.send(&Reply::Invocation(event.context()?), exact(event.payload()), &mut head)?;
        server.frame(event.payload().len())?;
        let mut bytes = [&head[..len], event.payload()].concat();
        let mut reader = MessageReader::new();
        reader.filled(bytes.len());
        match reader.receive_reply(&mut client, &mut bytes)? {
            Progress::Complete(reply) => Ok(Self { client, server, reply, bytes }),
            _ => Err(ReceiveError::CutShort.into()),
        }
    }

    /// The event, as a handler is given it.
    pub fn event(&self) -> &[u8] {
        self.reply.read(&self.bytes).map_or(&[], |message| message.body)
    }

    /// What has come with it, as a handler is given it.
    ///
    /// # Errors
    ///
    /// [`Error::Receive`]: none is expected.
    pub fn context(&self) -> Result<Context<'_>, Error> {
        match self.reply.read(&self.bytes)?.head {
            Reply::Invocation(context) => Ok(context),
            _ => Err(ReceiveError::NoRequestId.into()),
        }
    }

    /// Calls a handler, and sends what it returns through the protocol. A panic is the test's.
    ///
    /// # Errors
    ///
    /// Those of [`answer`](Self::answer).
    pub fn call<'e, P: IntoIterator<Item = Result<Vec<u8>, Failure>>>(
        &'e self,
        handler: impl FnOnce(&'e [u8], &Context<'e>) -> Result<Response<'e, P>, Failure>,
    ) -> Result<RecordedRequest, Error> {
        self.answer(handler(self.event(), &self.context()?))
    }

    /// Sends what a handler has returned through the protocol, in what way it was called ever: a future can be awaited before.
    /// A response that cannot be sent becomes the error that the adapters of Lambwire make of it.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] if a piece of a stream cannot be sent, or its error.
    pub fn answer<P: IntoIterator<Item = Result<Vec<u8>, Failure>>>(
        &self,
        result: Result<Response<'_, P>, Failure>,
    ) -> Result<RecordedRequest, Error> {
        let context = self.context()?;
        match result {
            Err(failure) => self.fail(&context, &failure),
            Ok(Response { content_type, body: ResponseBody::Buffered(body) }) => {
                let request = Request::response(&context, &content_type, Mode::Buffered);
                match self.send(&request, &body) {
                    Err(Error::Send(error)) => {
                        self.fail(&context, &Failure::new(error.report_type(), error.to_string()))
                    }
                    sent => sent,
                }
            }
            Ok(Response { content_type, body: ResponseBody::Pieces { opening, pieces } }) => {
                self.stream(&context, &content_type, opening.map(Ok).into_iter().chain(pieces))
            }
        }
    }

    fn fail(&self, context: &Context<'_>, failure: &Failure) -> Result<RecordedRequest, Error> {
        let report = failure.report().fit(lambwire::limits::ERROR_BYTES);
        self.send(&Request::error(context, report.error_headers()), &json(&report)?)
    }

    fn send(&self, request: &Request<'_>, body: &[u8]) -> Result<RecordedRequest, Error> {
        let mut client = self.client.clone();
        let mut head = vec![0; HEAD_BYTES];
        let len = client.send(request, exact(body), &mut head)?;
        client.frame(body.len())?;
        receive(&mut self.server.clone(), &[&head[..len], body].concat())
    }

    fn stream(
        &self,
        context: &Context<'_>,
        content_type: &str,
        pieces: impl Iterator<Item = Result<Vec<u8>, Failure>>,
    ) -> Result<RecordedRequest, Error> {
        let mut client = self.client.clone();
        let mut head = vec![0; HEAD_BYTES];
        let mut bytes = Vec::new();
        for piece in pieces {
            match piece {
                Err(failure) if bytes.is_empty() => return self.fail(context, &failure),
                Err(failure) => {
                    let report = failure.report().fit(lambwire::limits::STREAM_ERROR_BYTES);
                    let len = client.finish_with_error(report.header_type(), &json(&report)?, &mut head)?;
                    bytes.extend_from_slice(&head[..len]);
                    return receive(&mut self.server.clone(), &bytes);
                }
                Ok(piece) => {
                    if bytes.is_empty() {
                        bytes = self.stream_head(&mut client, context, content_type)?;
                    }
                    let frame = client.frame(piece.len())?;
                    bytes.extend([frame.before(), &piece, frame.after()].concat());
                }
            }
        }
        if bytes.is_empty() {
            bytes = self.stream_head(&mut client, context, content_type)?;
        }
        let len = client.finish(&mut head)?;
        bytes.extend_from_slice(&head[..len]);
        receive(&mut self.server.clone(), &bytes)
    }

    fn stream_head(&self, client: &mut Client, context: &Context<'_>, content_type: &str) -> Result<Vec<u8>, Error> {
        let mut head = vec![0; HEAD_BYTES];
        let len = client.send(&Request::response(context, content_type, Mode::Streaming), Body::Chunked, &mut head)?;
        head.truncate(len);
        Ok(head)
    }
}

/// Receives a request that is wholly there.
fn receive(server: &mut Server, bytes: &[u8]) -> Result<RecordedRequest, Error> {
    let mut buf = bytes.to_vec();
    let mut reader = MessageReader::new();
    reader.filled(buf.len());
    match reader.receive_request(server, &mut buf)? {
        Progress::Complete(whole) => Ok(RecordedRequest::new(&whole.read(server, &buf)?, 0)),
        _ => Err(ReceiveError::CutShort.into()),
    }
}

fn exact(body: &[u8]) -> Body {
    Body::Exact(body.len() as u64)
}

fn json(report: &lambwire::ErrorReport<'_>) -> Result<Vec<u8>, Error> {
    let mut json = vec![0; report.json_len()];
    let len = report.write(&mut json)?;
    json.truncate(len);
    Ok(json)
}
