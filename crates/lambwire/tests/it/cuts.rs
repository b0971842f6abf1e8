//! Feeding what was sent, however it is cut: whole, byte by byte, and in two at every place.

use std::fmt::Debug;

use lambwire::{
    Body, Client, Event, ExtensionId, Headers, Mode, ReceiveError, Received, Reply, Request, RequestId, RequestKind,
    Server,
};

/// Either end, as far as listening goes.
pub(crate) trait Peer: Clone {
    type Head<'i>: Copy + Debug + PartialEq;

    fn receive<'i>(&mut self, input: &'i [u8]) -> Result<Received<'i, Self::Head<'i>>, ReceiveError>;

    fn receive_eof(&mut self) -> Result<(), ReceiveError>;

    /// Says what this end has to say between two messages.
    fn speak(&mut self) {}
}

/// A message, as far as it has come.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Heard<'i, H> {
    pub(crate) head: H,
    pub(crate) framing: Body,
    pub(crate) headers: Headers<'i>,
    pub(crate) body: Vec<u8>,
    /// `None` if the message did not end.
    pub(crate) trailers: Option<Headers<'i>>,
}

/// Why nothing more is to be had from some input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Stop {
    NeedInput,
    Paused,
}

/// Everything that some bytes say.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Transcript<'i, H> {
    pub(crate) interims: usize,
    pub(crate) messages: Vec<Heard<'i, H>>,
    /// Bytes that were not received, if that went well.
    pub(crate) left: usize,
    pub(crate) stop: Result<Stop, ReceiveError>,
}

impl<H> Default for Transcript<'_, H> {
    fn default() -> Self {
        Self { interims: 0, messages: Vec::new(), left: 0, stop: Ok(Stop::NeedInput) }
    }
}

/// Feeds `wire` so that the peer sees it up to each of `ends` in turn.
pub(crate) fn feed<'i, P: Peer>(
    peer: &mut P,
    wire: &'i [u8],
    ends: impl IntoIterator<Item = usize>,
) -> Transcript<'i, P::Head<'i>> {
    let mut heard = Transcript::default();
    let mut at = 0;
    for end in ends {
        heard.stop = Ok(Stop::NeedInput);
        let mut is_open = true;
        while is_open {
            let Received { used, event, .. } = match peer.receive(&wire[at..end]) {
                Ok(received) => received,
                Err(error) => return refused(peer, heard, error),
            };
            assert!(used <= end - at, "{used} bytes of {} used", end - at);
            at += used;
            is_open = take(peer, &mut heard, event);
        }
    }
    heard.left = wire.len() - at;
    heard
}

fn take<'i, P: Peer>(peer: &mut P, heard: &mut Transcript<'i, P::Head<'i>>, event: Event<'i, P::Head<'i>>) -> bool {
    let last = heard.messages.last_mut();
    match event {
        Event::NeedInput => return false,
        Event::Paused => {
            heard.stop = Ok(Stop::Paused);
            return false;
        }
        Event::Interim => heard.interims += 1,
        Event::Head { head, body, headers } => {
            heard.messages.push(Heard { head, framing: body, headers, body: Vec::new(), trailers: None })
        }
        Event::Data(data) => {
            assert!(!data.is_empty());
            last.expect("a head comes before data").body.extend_from_slice(data);
        }
        Event::End { trailers } => {
            let last = last.expect("a head comes before an end");
            assert_eq!(last.trailers.replace(trailers), None, "one end a message");
            peer.speak();
        }
    }
    true
}

/// An error is final and repeated, whatever comes after it.
fn refused<'i, P: Peer>(
    peer: &mut P,
    heard: Transcript<'i, P::Head<'i>>,
    error: ReceiveError,
) -> Transcript<'i, P::Head<'i>> {
    for input in [&b""[..], b"HTTP/1.1 200 OK\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"] {
        assert_eq!(peer.receive(input), Err(error), "errors are final");
    }
    assert_eq!(peer.receive_eof(), Err(error), "errors are final");
    Transcript { stop: Err(error), ..heard }
}

/// Feeds `wire` and then the end of the connection.
pub(crate) fn hear<'i, P: Peer>(
    peer: &P,
    wire: &'i [u8],
    ends: impl IntoIterator<Item = usize>,
) -> Transcript<'i, P::Head<'i>> {
    let mut peer = peer.clone();
    let mut heard = feed(&mut peer, wire, ends);
    if heard.stop.is_err() {
        return heard;
    }
    if let Err(error) = peer.receive_eof() {
        return refused(&mut peer, heard, error);
    }
    // A body that ends with the connection ends only here.
    let rest = &wire[wire.len() - heard.left..];
    loop {
        match peer.receive(rest) {
            Ok(Received { used, event, .. }) => {
                assert_eq!(used, 0, "all was received before");
                if !take(&mut peer, &mut heard, event) {
                    return heard;
                }
            }
            Err(error) => return refused(&mut peer, heard, error),
        }
    }
}

/// What `wire` says, having made sure that it says the same however it is cut.
#[track_caller]
pub(crate) fn hear_cut<'i, P: Peer>(peer: &P, wire: &'i [u8]) -> Transcript<'i, P::Head<'i>> {
    let whole = hear(peer, wire, [wire.len()]);
    assert_eq!(hear(peer, wire, 0..=wire.len()), whole, "byte by byte");
    for cut in 0..wire.len() {
        assert_eq!(hear(peer, wire, [cut, wire.len()]), whole, "cut at {cut}");
    }
    whole
}

/// A client that asks for one thing after another, as soon as it may.
#[derive(Clone, Debug)]
pub(crate) struct Asking {
    pub(crate) client: Client,
    kinds: Vec<RequestKind>,
}

impl Asking {
    pub(crate) fn new(kinds: &[RequestKind]) -> Self {
        let mut asking =
            Self { client: Client::new("127.0.0.1:9001").unwrap(), kinds: kinds.iter().rev().copied().collect() };
        asking.speak();
        asking
    }
}

impl Peer for Asking {
    type Head<'i> = Reply<'i>;

    fn receive<'i>(&mut self, input: &'i [u8]) -> Result<Received<'i, Reply<'i>>, ReceiveError> {
        self.client.receive(input)
    }

    fn receive_eof(&mut self) -> Result<(), ReceiveError> {
        self.client.receive_eof()
    }

    fn speak(&mut self) {
        if !self.client.is_ready() {
            return;
        }
        if let Some(kind) = self.kinds.pop() {
            let request = plain_request(kind);
            self.client.send(&request, Body::Exact(0), &mut [0; 512]).unwrap();
        }
    }
}

/// A request of this kind with nothing in it that could be left out.
pub(crate) fn plain_request(kind: RequestKind) -> Request<'static> {
    let id = RequestId::new("id").unwrap();
    match kind {
        RequestKind::Next => Request::Next,
        RequestKind::RestoreNext => Request::RestoreNext,
        RequestKind::InitError => Request::InitError(Default::default()),
        RequestKind::RestoreError => Request::RestoreError(Default::default()),
        RequestKind::Register => Request::Register { name: "name" },
        RequestKind::ExtensionNext => Request::ExtensionNext { id: ExtensionId::new(b"id").unwrap() },
        RequestKind::Error => Request::Error { id, invocation_id: None, headers: Default::default() },
        _ => Request::Response { id, invocation_id: None, content_type: None, mode: Mode::Buffered },
    }
}

/// A server that accepts whatever it is asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Accepting {
    pub(crate) server: Server,
}

impl Peer for Accepting {
    type Head<'i> = Request<'i>;

    fn receive<'i>(&mut self, input: &'i [u8]) -> Result<Received<'i, Request<'i>>, ReceiveError> {
        self.server.receive(input)
    }

    fn receive_eof(&mut self) -> Result<(), ReceiveError> {
        self.server.receive_eof()
    }

    fn speak(&mut self) {
        self.server.send(&Reply::Accepted, Body::Exact(0), &mut [0; 128]).unwrap();
    }
}

impl Peer for Client {
    type Head<'i> = Reply<'i>;

    fn receive<'i>(&mut self, input: &'i [u8]) -> Result<Received<'i, Reply<'i>>, ReceiveError> {
        Self::receive(self, input)
    }

    fn receive_eof(&mut self) -> Result<(), ReceiveError> {
        Self::receive_eof(self)
    }
}

impl Peer for Server {
    type Head<'i> = Request<'i>;

    fn receive<'i>(&mut self, input: &'i [u8]) -> Result<Received<'i, Request<'i>>, ReceiveError> {
        Self::receive(self, input)
    }

    fn receive_eof(&mut self) -> Result<(), ReceiveError> {
        Self::receive_eof(self)
    }
}
