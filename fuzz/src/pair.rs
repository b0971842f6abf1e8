//! Two ends that talk by turns, cut anywhere, understand each other and agree whether their connection goes on.

use arbitrary::{Arbitrary, Result, Unstructured};
use lambwire::{Body, Client, Context, Event, Mode, Reply, Request, RequestId, RequestKind, Server};

use crate::cuts::{Stop, feed, plain_request};

const KINDS: [RequestKind; 6] = [
    RequestKind::Next,
    RequestKind::Response,
    RequestKind::Error,
    RequestKind::InitError,
    RequestKind::RestoreNext,
    RequestKind::RestoreError,
];

/// Runs it over one input: what each end does in turn.
pub fn run(data: &[u8]) {
    let mut script = Unstructured::new(data);
    let mut pair = Pair { client: Client::new("h:1").unwrap(), server: Server::new() };
    while !script.is_empty() && pair.exchange(&mut script).unwrap_or(false) {}
}

struct Pair {
    client: Client,
    server: Server,
}

/// What an end does with its turn.
#[derive(Arbitrary)]
struct Turn<'a> {
    body: &'a [u8],
    chunked: bool,
    pieces: u8,
    cuts: [u8; 3],
}

impl Turn<'_> {
    fn framing(&self) -> Body {
        if self.chunked { Body::Chunked } else { Body::Exact(self.body.len() as u64) }
    }

    /// The body in pieces of equal length, but for the last.
    fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.body.chunks(self.body.len() / (usize::from(self.pieces % 4) + 1) + 1)
    }

    /// Where its bytes are cut on their way.
    fn ends(&self, len: usize) -> Vec<usize> {
        let mut ends: Vec<_> = self.cuts.iter().map(|&cut| usize::from(cut) * len / 255).collect();
        ends.push(len);
        ends.sort_unstable();
        ends
    }
}

impl Pair {
    /// One exchange; whether another can follow.
    fn exchange(&mut self, script: &mut Unstructured<'_>) -> Result<bool> {
        let kind = *script.choose(&KINDS)?;
        let turn = Turn::arbitrary(script)?;
        let request = match plain_request(kind) {
            Request::Response { id, .. } if script.ratio(1, 4)? => {
                Request::Response { id, invocation_id: None, content_type: None, mode: Mode::Streaming }
            }
            request => request,
        };
        let wire = self.ask(&request, &turn, script.ratio(1, 4)?);
        if script.ratio(1, 8)? && !turn.body.is_empty() && wire.len() > 300 {
            return self.refuse_early(kind, &request, &wire, script).map(|()| false);
        }
        let pipelines = kind_is_answer(kind) && script.ratio(1, 4)?;
        let (wire, first_len) = self.pipeline(wire, pipelines);
        let heard = feed(&mut self.server, &wire, turn.ends(wire.len()));
        assert_eq!((heard.stop, heard.left, heard.messages.len()), (Ok(Stop::Paused), wire.len() - first_len, 1));
        assert_eq!(heard.messages[0].head, request);
        if !matches!(request, Request::Next | Request::RestoreNext) {
            assert_eq!(heard.messages[0].body, turn.body);
        }
        if !self.answer(kind, false, script)? {
            return Ok(false);
        }
        if pipelines {
            let heard = feed(&mut self.server, &wire[first_len..], [wire.len() - first_len]);
            assert_eq!((heard.messages.len(), heard.messages[0].head), (1, Request::Next));
            return self.answer(RequestKind::Next, false, script);
        }
        Ok(true)
    }

    /// Sends a request, and gives its bytes.
    fn ask(&mut self, request: &Request<'_>, turn: &Turn<'_>, with_error: bool) -> Vec<u8> {
        let is_next = matches!(request, Request::Next | Request::RestoreNext);
        let is_stream = matches!(request, Request::Response { mode: Mode::Streaming, .. });
        let framing = match turn.framing() {
            _ if is_next => Body::Exact(0),
            _ if is_stream => Body::Chunked,
            framing => framing,
        };
        assert!(self.client.is_ready());
        let mut wire = vec![0; 1024];
        let len = self.client.send(request, framing, &mut wire).unwrap();
        wire.truncate(len);
        for piece in turn.pieces().filter(|_| !is_next) {
            let frame = self.client.frame(piece.len()).unwrap();
            wire.extend_from_slice(&[frame.before(), piece, frame.after()].concat());
        }
        let mut end = [0; 256];
        let len = if is_stream && with_error {
            self.client.finish_with_error("Function.Error", b"{}", &mut end).unwrap()
        } else {
            self.client.finish(&mut end).unwrap()
        };
        wire.extend_from_slice(&end[..len]);
        assert!(!self.client.is_ready());
        wire
    }

    /// Sends a `next` behind an answer, and says where it begins.
    fn pipeline(&mut self, mut wire: Vec<u8>, pipelines: bool) -> (Vec<u8>, usize) {
        let first_len = wire.len();
        if pipelines {
            wire.resize(first_len + 256, 0);
            let len = self.client.send(&Request::Next, Body::Exact(0), &mut wire[first_len..]).unwrap();
            wire.truncate(first_len + len);
        }
        (wire, first_len)
    }

    /// Replies, and has the client hear it; whether the connection goes on. It does not behind an early reply.
    fn answer(&mut self, kind: RequestKind, is_early: bool, script: &mut Unstructured<'_>) -> Result<bool> {
        let turn = Turn::arbitrary(script)?;
        let reply = match kind {
            _ if script.ratio(1, 4)? => Reply::Rejected { status: script.int_in_range(409..=599)? },
            RequestKind::Next => Reply::Invocation(Context::new(RequestId::new("id").unwrap())),
            RequestKind::RestoreNext => Reply::Restored,
            _ => Reply::Accepted,
        };
        let framing = if script.ratio(1, 8)? { Body::UntilClose } else { turn.framing() };
        let mut wire = vec![0; 1024];
        let len = self.server.send(&reply, framing, &mut wire).unwrap();
        wire.truncate(len);
        for piece in turn.pieces() {
            let frame = self.server.frame(piece.len()).unwrap();
            wire.extend_from_slice(&[frame.before(), piece, frame.after()].concat());
        }
        let mut end = [0; 8];
        let len = self.server.finish(&mut end).unwrap();
        wire.extend_from_slice(&end[..len]);

        let heard = feed(&mut self.client, &wire, turn.ends(wire.len()));
        assert_eq!((heard.left, heard.messages.len()), (0, 1));
        assert_eq!((heard.messages[0].head, &heard.messages[0].body[..]), (reply, turn.body));
        if framing == Body::UntilClose {
            assert_eq!(heard.messages[0].trailers, None);
            self.client.receive_eof().unwrap();
            assert!(matches!(self.client.receive(b"").unwrap().event, Event::End { .. }));
        } else {
            assert!(heard.messages[0].trailers.is_some());
        }
        assert_eq!(self.server.is_open(), framing != Body::UntilClose && !is_early);
        assert_eq!(self.client.is_ready(), self.server.is_open() && self.client.in_flight().is_none());
        Ok(self.server.is_open())
    }

    /// Refuses a request of which the body has not come whole: neither end goes on.
    fn refuse_early(
        &mut self,
        kind: RequestKind,
        request: &Request<'_>,
        wire: &[u8],
        script: &mut Unstructured<'_>,
    ) -> Result<()> {
        let heard = feed(&mut self.server, wire, [wire.len() - 1]);
        if heard.messages.first().is_none_or(|message| message.trailers.is_some()) {
            return Ok(());
        }
        assert_eq!(heard.messages[0].head, *request);
        self.answer(kind, true, script).map(|_| ())
    }
}

fn kind_is_answer(kind: RequestKind) -> bool {
    matches!(kind, RequestKind::Response | RequestKind::Error)
}
