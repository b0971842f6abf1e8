//! An adapter of `lambwire` for tokio, to be copied into a program that has tokio already: a socket, `drive`, which performs
//! the actions of a turn, and a loop around a handler.

#![forbid(unsafe_code)]

use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::pin;
use std::task::Poll;

use lambwire_runtime::lambwire::{Action, Context, Endpoint, Pipelining, limits};
use lambwire_runtime::{Conversation, Duty, Error, Exchange, Failure, ResponseBody, Streaming, catch};
use rustix::net::{RecvFlags, recv};
use tokio::io::{AsyncReadExt, Interest};
use tokio::net::TcpStream;
use tokio::sync::mpsc::Receiver;
use tokio::time::{sleep, timeout};

/// The pieces of a streamed response, as they come about.
pub type Pieces = Receiver<Result<Vec<u8>, Failure>>;

/// What a handler responds with.
pub type Response<'e> = lambwire_runtime::Response<'e, Pieces>;

/// A runtime: a connection to the Runtime API, and another one when it breaks.
#[derive(Debug)]
pub struct Runtime {
    conversation: Conversation,
    socket: Option<TcpStream>,
    /// Whether [`serve`](Self::serve) sends `next` behind each response, in the same write. It does at first.
    pub pipelining: Pipelining,
}

impl Runtime {
    /// Connects to the Runtime API that the environment names in `AWS_LAMBDA_RUNTIME_API`.
    ///
    /// # Errors
    ///
    /// [`Error::Transport`] if nobody listens there.
    pub async fn from_env() -> Result<Self, Error> {
        Self::open(Conversation::from_env()?).await
    }

    /// Connects to the Runtime API at `api`: `host:port`, or a URL.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] if that is no address, [`Error::Transport`] if nobody listens there.
    pub async fn connect(api: &str) -> Result<Self, Error> {
        Self::open(Conversation::new(api)?).await
    }

    async fn open(mut conversation: Conversation) -> Result<Self, Error> {
        let mut socket = None;
        send(&mut socket, conversation.connect()).await?;
        Ok(Self { conversation, socket, pipelining: Pipelining::Next })
    }

    /// Handles one invocation after another, until an error ends it, which it returns. `observe` is called when a response
    /// could not be delivered.
    pub async fn serve(
        &mut self,
        mut handler: impl for<'e> AsyncFnMut(&'e [u8], &Context<'e>) -> Result<Response<'e>, Failure>,
        mut observe: impl FnMut(&Context<'_>, &Error),
    ) -> Error {
        let mut buf = Vec::new();
        loop {
            if let Err(error) = self.serve_one(&mut buf, &mut handler, &mut observe).await {
                return error;
            }
        }
    }

    async fn serve_one(
        &mut self,
        buf: &mut Vec<u8>,
        handler: &mut impl for<'e> AsyncFnMut(&'e [u8], &Context<'e>) -> Result<Response<'e>, Failure>,
        observe: &mut impl FnMut(&Context<'_>, &Error),
    ) -> Result<(), Error> {
        let mut exchange = self.conversation.next(buf)?;
        drive(&mut self.socket, &mut exchange).await;
        let (context, message) = exchange.invocation()?;
        let response = self.caught(&context, handler(message.body, &context)).await;
        let Self { conversation, socket, pipelining } = self;
        let sent = match response {
            Ok(Response { content_type, body: ResponseBody::Buffered(body) }) => {
                send(socket, conversation.respond(&context, &content_type, &body, *pipelining)).await
            }
            Ok(Response { content_type, body: ResponseBody::Pieces { opening, pieces } }) => {
                self.stream(Streaming::new(context, &content_type), opening, pieces).await
            }
            Err(failure) => send(socket, conversation.fail(&context, &failure.report(), *pipelining)).await,
        };
        match sent {
            Err(error) if error.is_fatal() => return Err(error),
            Err(error) => observe(&context, &error),
            Ok(()) => {}
        }
        Ok(())
    }

    async fn stream(
        &mut self,
        mut streaming: Streaming<'_>,
        opening: Option<Vec<u8>>,
        mut pieces: Pieces,
    ) -> Result<(), Error> {
        let Self { conversation, socket, .. } = self;
        if let Some(opening) = opening {
            send(socket, streaming.piece(conversation, &opening)).await?;
        }
        loop {
            match pieces.recv().await {
                Some(Ok(piece)) => send(socket, streaming.piece(conversation, &piece)).await?,
                Some(Err(failure)) => return send(socket, streaming.fail(conversation, &failure.report())).await,
                None => return send(socket, streaming.finish(conversation)).await,
            }
        }
    }

    /// Awaits a handler, and takes a panic on the way for a failure.
    async fn caught<V>(
        &self,
        context: &Context<'_>,
        handler: impl Future<Output = Result<V, Failure>>,
    ) -> Result<V, Failure> {
        // With `panic = "abort"` this adapter reports nothing; lambwire-smol shows how.
        let duty = || Duty::new(self.conversation.endpoint(), Some(context), |_| Ok(()));
        let mut handler = pin!(handler);
        poll_fn(|cx| match catch(duty, || Ok(handler.as_mut().poll(cx))) {
            Ok(polled) => polled,
            Err(failure) => Poll::Ready(Err(failure)),
        })
        .await
    }
}

/// Sends a request, and waits for its reply.
async fn send(socket: &mut Option<TcpStream>, exchange: Result<Exchange<'_, '_>, Error>) -> Result<(), Error> {
    let mut exchange = exchange?;
    drive(socket, &mut exchange).await;
    exchange.accepted()
}

/// Does what an exchange asks for, until it is over. A future that is dropped half way takes the socket along.
async fn drive(slot: &mut Option<TcpStream>, exchange: &mut Exchange<'_, '_>) {
    let mut socket = slot.take();
    loop {
        match exchange.turn.poll() {
            Action::Done => break *slot = socket,
            Action::Read(space) => {
                let read = read(&mut socket, space).await;
                exchange.turn.read(read);
            }
            Action::Write(parts) => {
                let written = write(&socket, parts).await;
                exchange.turn.written(written);
            }
            Action::Connect(endpoint) => {
                drop(socket.take());
                let connected = connect(endpoint).await.map(|connected| socket = Some(connected));
                exchange.turn.connected(connected);
            }
            Action::Sleep(pause) => {
                sleep(pause).await;
                exchange.turn.slept();
            }
            Action::Grow(len) => exchange.grow(len),
        }
    }
}

async fn connect(endpoint: &Endpoint) -> io::Result<TcpStream> {
    let stream = timeout(limits::CONNECT_TIMEOUT, TcpStream::connect((endpoint.host(), endpoint.port()))).await??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn read(socket: &mut Option<TcpStream>, space: &mut [u8]) -> io::Result<usize> {
    socket.as_mut().ok_or(ErrorKind::NotConnected)?.read(space).await
}

/// Writes some of these parts, and returns how much; `None` if there is no room, and something to read instead.
async fn write(socket: &Option<TcpStream>, parts: [&[u8]; 4]) -> io::Result<Option<usize>> {
    let socket = socket.as_ref().ok_or(ErrorKind::NotConnected)?;
    loop {
        match socket.try_write_vectored(&parts.map(IoSlice::new)) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            written => return written.map(Some),
        }
        let ready = socket.ready(Interest::READABLE | Interest::WRITABLE).await?;
        // What was ready may have been read since.
        let peek = || Ok(recv(socket, &mut [0; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT)?);
        if ready.is_readable() && socket.try_io(Interest::READABLE, peek).is_ok() {
            return Ok(None);
        }
    }
}
