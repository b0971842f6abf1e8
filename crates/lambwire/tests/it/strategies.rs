//! What the ends can say, as values that own what they say and can be made up at random.

use lambwire::{
    Body, Client, Context, ErrorHeaders, ExtensionId, Frame, InvocationId, Mode, Reply, Request, RequestId,
    RequestKind, SendError, Server,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{FileFailurePersistence, RngSeed};

/// The same cases in every run, and no files of them.
pub(crate) fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 256,
        failure_persistence: None::<Box<FileFailurePersistence>>.map(|none| none as _),
        rng_seed: RngSeed::Fixed(2018),
        ..ProptestConfig::default()
    }
}

/// A request of any kind, with its body.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    kind: RequestKind,
    id: String,
    invocation_id: Option<Vec<u8>>,
    content_type: Option<String>,
    error_type: Option<String>,
    xray_cause: Option<String>,
    streaming: bool,
    chunked: bool,
    pub(crate) pieces: Vec<Vec<u8>>,
    /// Type and report of the error that ends a stream.
    failure: Option<(String, Vec<u8>)>,
}

/// A reply of any kind, with its body.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    status: u16,
    framing: usize,
    request_id: String,
    deadline_ms: Option<u64>,
    texts: Vec<Option<String>>,
    invocation_id: Option<Vec<u8>>,
    pieces: Vec<Vec<u8>>,
}

/// The calls with which either end writes a message.
pub(crate) trait Speaker {
    fn frame(&mut self, len: usize) -> Result<Frame, SendError>;
    fn finish(&mut self, out: &mut [u8]) -> Result<usize, SendError>;
}

impl Speaker for Client {
    fn frame(&mut self, len: usize) -> Result<Frame, SendError> {
        Self::frame(self, len)
    }

    fn finish(&mut self, out: &mut [u8]) -> Result<usize, SendError> {
        Self::finish(self, out)
    }
}

impl Speaker for Server {
    fn frame(&mut self, len: usize) -> Result<Frame, SendError> {
        Self::frame(self, len)
    }

    fn finish(&mut self, out: &mut [u8]) -> Result<usize, SendError> {
        Self::finish(self, out)
    }
}

/// Writes the pieces of a body, and what is due behind them.
pub(crate) fn write_body<S: Speaker>(end: &mut S, pieces: &[Vec<u8>], wire: &mut Vec<u8>) {
    write_pieces(end, pieces, wire);
    let mut out = [0; 8];
    let len = end.finish(&mut out).unwrap();
    wire.extend_from_slice(&out[..len]);
}

fn write_pieces<S: Speaker>(end: &mut S, pieces: &[Vec<u8>], wire: &mut Vec<u8>) {
    for piece in pieces {
        let frame = end.frame(piece.len()).unwrap();
        wire.extend_from_slice(frame.before());
        wire.extend_from_slice(piece);
        wire.extend_from_slice(frame.after());
    }
}

impl Asked {
    pub(crate) fn request(&self) -> Request<'_> {
        let id = RequestId::new(&self.id).unwrap();
        let invocation_id = invocation_id(self.invocation_id.as_deref());
        let headers = ErrorHeaders { error_type: self.error_type.as_deref(), xray_cause: self.xray_cause.as_deref() };
        match self.kind {
            RequestKind::Response => Request::Response {
                id,
                invocation_id,
                content_type: self.content_type.as_deref(),
                mode: if self.streaming { Mode::Streaming } else { Mode::Buffered },
            },
            RequestKind::Error => Request::Error { id, invocation_id, headers },
            RequestKind::InitError => Request::InitError(headers),
            RequestKind::RestoreError => Request::RestoreError(headers),
            RequestKind::RestoreNext => Request::RestoreNext,
            RequestKind::Register => Request::Register { name: self.content_type.as_deref().unwrap_or("name") },
            RequestKind::ExtensionNext => Request::ExtensionNext { id: extension_id(self.invocation_id.as_deref()) },
            _ => Request::Next,
        }
    }

    pub(crate) fn framing(&self) -> Body {
        match self.kind {
            RequestKind::Next | RequestKind::RestoreNext | RequestKind::ExtensionNext => Body::Exact(0),
            RequestKind::Response if self.streaming => Body::Chunked,
            _ if self.chunked => Body::Chunked,
            _ => Body::Exact(self.body().len() as u64),
        }
    }

    pub(crate) fn body(&self) -> Vec<u8> {
        if matches!(self.kind, RequestKind::Next | RequestKind::RestoreNext | RequestKind::ExtensionNext) {
            return Vec::new();
        }
        self.pieces.concat()
    }

    pub(crate) fn failure(&self) -> Option<(&[u8], &[u8])> {
        let is_stream = self.kind == RequestKind::Response && self.streaming;
        let (error_type, report) = self.failure.as_ref().filter(|_| is_stream)?;
        Some((error_type.as_bytes(), report))
    }

    /// Writes the whole request.
    pub(crate) fn send(&self, client: &mut Client, wire: &mut Vec<u8>) {
        let mut out = vec![0; 8192];
        let len = client.send(&self.request(), self.framing(), &mut out).unwrap();
        wire.extend_from_slice(&out[..len]);
        let pieces = if self.body().is_empty() { &[] } else { &self.pieces[..] };
        if let Some((error_type, report)) = self.failure() {
            write_pieces(client, pieces, wire);
            let error_type = std::str::from_utf8(error_type).unwrap();
            let len = client.finish_with_error(error_type, report, &mut out).unwrap();
            wire.extend_from_slice(&out[..len]);
        } else {
            write_body(client, pieces, wire);
        }
    }
}

impl Answer {
    /// The reply, as one to `kind`.
    pub(crate) fn reply(&self, kind: RequestKind) -> Reply<'_> {
        match (kind, self.status) {
            (RequestKind::Next, 200) => {
                let mut context = Context::new(RequestId::new(&self.request_id).unwrap());
                let mut texts = self.texts.iter().map(|text| text.as_deref());
                context.deadline_ms = self.deadline_ms;
                context.invoked_function_arn = texts.next().flatten();
                context.trace_id = texts.next().flatten();
                context.client_context_json = texts.next().flatten();
                context.cognito_identity_json = texts.next().flatten();
                context.tenant_id = texts.next().flatten();
                context.invocation_id = invocation_id(self.invocation_id.as_deref());
                Reply::Invocation(context)
            }
            (RequestKind::RestoreNext, 200) => Reply::Restored,
            (RequestKind::Register, 200) => Reply::Registered { id: extension_id(self.invocation_id.as_deref()) },
            (RequestKind::ExtensionNext, 200) => Reply::ExtensionEvent { id: self.invocation_id.as_deref() },
            (RequestKind::Next | RequestKind::RestoreNext | RequestKind::ExtensionNext, 204) => Reply::NothingYet,
            (RequestKind::Register, 204) => Reply::Rejected { status: 403 },
            (_, 200 | 204) => Reply::Accepted,
            (_, 405) => match self.texts.first() {
                Some(Some(allow)) => Reply::MethodNotAllowed { allow },
                _ => Reply::Rejected { status: 405 },
            },
            (_, status) => Reply::Rejected { status },
        }
    }

    pub(crate) fn framing(&self, kind: RequestKind) -> Body {
        match self.framing {
            _ if self.reply(kind) == Reply::NothingYet => Body::Exact(0),
            0 => Body::Chunked,
            1 => Body::UntilClose,
            _ => Body::Exact(self.pieces.concat().len() as u64),
        }
    }

    pub(crate) fn body(&self, kind: RequestKind) -> Vec<u8> {
        if self.framing(kind) == Body::Exact(0) {
            return Vec::new();
        }
        self.pieces.concat()
    }

    /// Writes the whole reply.
    pub(crate) fn send(&self, kind: RequestKind, server: &mut Server, wire: &mut Vec<u8>) {
        let mut out = vec![0; 8192];
        let len = server.send(&self.reply(kind), self.framing(kind), &mut out).unwrap();
        wire.extend_from_slice(&out[..len]);
        let pieces = if self.body(kind).is_empty() { &[] } else { &self.pieces[..] };
        write_body(server, pieces, wire);
    }
}

fn extension_id(id: Option<&[u8]>) -> ExtensionId<'_> {
    ExtensionId::new(id.unwrap_or(b"id")).unwrap()
}

fn invocation_id(id: Option<&[u8]>) -> Option<InvocationId<'_>> {
    id.map(|id| InvocationId::new(id).unwrap())
}

prop_compose! {
    pub(crate) fn asked()(
        kind in select(&[
            RequestKind::Response,
            RequestKind::Response,
            RequestKind::Response,
            RequestKind::Error,
            RequestKind::InitError,
            RequestKind::RestoreError,
            RequestKind::Next,
            RequestKind::RestoreNext,
            RequestKind::Register,
            RequestKind::ExtensionNext,
        ][..]),
        id in request_id(),
        invocation_id in option::of(opaque()),
        content_type in option::of(text()),
        error_type in option::of(text()),
        xray_cause in option::of(text()),
        streaming: bool,
        chunked: bool,
        pieces in pieces(),
        failure in option::of((text(), vec(any::<u8>(), 0..200))),
    ) -> Asked {
        Asked {
            kind, id, invocation_id, content_type, error_type, xray_cause, streaming, chunked, pieces, failure,
        }
    }
}

prop_compose! {
    pub(crate) fn answer()(
        status in prop_oneof![3 => Just(200u16), 1 => Just(204), 1 => Just(405), 1 => 400..=407u16, 1 => 409..=599u16],
        framing in 0..8usize,
        request_id in request_id(),
        deadline_ms in option::of(lambwire::limits::FIRST_DEADLINE_MS..),
        texts in vec(option::of(text()), 5),
        invocation_id in option::of(opaque()),
        pieces in pieces(),
    ) -> Answer {
        Answer { status, framing, request_id, deadline_ms, texts, invocation_id, pieces }
    }
}

fn pieces() -> impl Strategy<Value = Vec<Vec<u8>>> {
    vec(vec(any::<u8>(), 0..300), 0..5)
}

fn request_id() -> impl Strategy<Value = String> {
    "[A-Za-z0-9._~!$&'()*+,;=:@-]{1,128}".prop_filter("is a step of a path", |id| id != "." && id != "..")
}

/// Text that can stand in a header: any character but those of control, and no white space around it.
fn text() -> impl Strategy<Value = String> {
    "[!-~é漢😀\u{80}]([ -~\té漢😀\u{ff}]{0,40}[!-~é漢😀])?"
}

/// Bytes that can stand in a header.
fn opaque() -> impl Strategy<Value = Vec<u8>> {
    let byte = || prop_oneof![b'!'..=b'~', 0x80..=0xffu8];
    let inner = prop_oneof![6 => byte(), 1 => Just(b' '), 1 => Just(b'\t')];
    (byte(), vec(inner, 0..60), byte()).prop_map(|(first, inner, last)| [vec![first], inner, vec![last]].concat())
}

/// Places at which a message is cut.
pub(crate) fn cuts() -> impl Strategy<Value = Vec<Index>> {
    vec(any::<Index>(), 0..12)
}

/// How far a peer sees in turn that is fed `len` bytes cut at `cuts`.
pub(crate) fn ends(cuts: &[Index], len: usize) -> Vec<usize> {
    let mut ends: Vec<_> = cuts.iter().map(|cut| cut.index(len + 1)).collect();
    ends.push(len);
    ends.sort_unstable();
    ends
}
