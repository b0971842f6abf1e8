//! The API's end of a connection: a small Runtime API on [`lambwire::Server`].

use lambwire::{ApiError, Body, Event, Headers, Mode, ReceiveError, Received, Reply, Request, Server, StreamError};

use crate::faults::{Faults, Harm};
use crate::function::{Answer, CONTENT_TYPE, ERROR_TYPE};
use crate::model::Due;
use crate::pipe::{End, Pipe};
use crate::scene::Scene;

/// The API's end of a connection.
#[derive(Default)]
pub(crate) struct ApiEnd {
    server: Server,
    /// Bytes that were read and not understood as yet.
    input: Vec<u8>,
    incoming: Option<Incoming>,
    /// A `next` waits, until then at most.
    held_until_ms: Option<u64>,
    /// The invocation that was handed out here, and to which no answer has begun.
    handed_out: Option<usize>,
    /// Nothing is read or written any more.
    pub(crate) is_gone: bool,
    pub(crate) said: Said,
    /// Where the reply ends that closes the connection, and the last interim one, counted from the first byte of all.
    pub(crate) last_byte: Option<u64>,
    pub(crate) last_hint: u64,
}

/// What was said last, for who judges the runtime.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Said {
    #[default]
    Nothing,
    /// The invocation of this number.
    Event(usize),
    NothingYet,
    /// That there will be no invocation any more.
    End,
    /// Whether an answer was taken.
    Verdict,
    /// What cannot be understood.
    Garbage,
}

/// A request that is coming in.
struct Incoming {
    asked: Asked,
    body: Vec<u8>,
}

#[derive(Clone, Copy)]
enum Asked {
    Next,
    /// An answer to the invocation of this number.
    Answer(usize, Kind),
}

#[derive(Clone, Copy)]
enum Kind {
    Whole,
    Streamed,
    Failed,
}

impl ApiEnd {
    /// Whether there is something to do.
    pub(crate) fn can_work(&self, up: &Pipe, scene: &mut Scene) -> bool {
        let hears = up.arrived() > 0 || up.reached_end().is_some();
        !self.is_gone
            && (hears || self.held_until_ms.is_some_and(|until_ms| self.wakes_ms(until_ms, scene) <= scene.now_ms))
    }

    /// Whether nothing has come but whole requests.
    pub(crate) fn is_between_requests(&self) -> bool {
        self.input.is_empty() && self.incoming.is_none()
    }

    /// When there will be something to do, if nothing comes.
    pub(crate) fn timer_ms(&self, scene: &mut Scene) -> Option<u64> {
        self.held_until_ms.filter(|_| !self.is_gone).map(|until_ms| self.wakes_ms(until_ms, scene))
    }

    fn wakes_ms(&self, until_ms: u64, scene: &mut Scene) -> u64 {
        match scene.model.due(scene.now_ms) {
            Due::NotBefore(due_ms) => due_ms.min(until_ms),
            Due::Event(_) | Due::Over => scene.now_ms,
        }
    }

    /// Reads some of what has arrived, and replies to what is whole.
    pub(crate) fn work(&mut self, up: &mut Pipe, down: &mut Pipe, scene: &mut Scene) {
        if up.arrived() > 0 {
            let len = scene.faults.cut(up.arrived());
            let start = self.input.len();
            self.input.resize(start + len, 0);
            up.read(&mut self.input[start..]);
        } else if up.reached_end().is_some() {
            self.hear_the_end(scene);
            down.end(End::Closed);
            return;
        }
        while !self.is_gone && (self.answer_the_held(down, scene) || self.receive(down, scene)) {}
    }

    fn hear_the_end(&mut self, scene: &mut Scene) {
        self.is_gone = true;
        let is_cut = self.incoming.is_some();
        match self.server.receive_eof() {
            Ok(()) => assert!(!is_cut, "half a request is taken for a whole one"),
            Err(error) => assert_eq!(error, ReceiveError::CutShort),
        }
        if let Some(Incoming { asked: Asked::Answer(number, _), .. }) = self.incoming {
            scene.log(|| format!("api: answer to {number} is cut off"));
            scene.model.get_mut(number).lose(&mut scene.faults);
        }
    }

    /// Takes one step of what is coming in, and says whether there may be another.
    fn receive(&mut self, down: &mut Pipe, scene: &mut Scene) -> bool {
        let Received { used, event, .. } = self.server.receive(&self.input).expect("the runtime speaks well");
        let is_over = matches!(event, Event::NeedInput | Event::Paused);
        let mut refused_with = None;
        let mut whole = None;
        match event {
            Event::NeedInput | Event::Paused => {}
            Event::Interim => unreachable!("a request has none"),
            Event::Head { head, .. } => {
                let (asked, status) = Asked::new(&head, scene);
                self.incoming = Some(Incoming { asked, body: Vec::new() });
                refused_with = status;
            }
            Event::Data(data) => self.incoming.as_mut().expect("a head before").body.extend(data),
            Event::End { trailers } => {
                let Incoming { asked, body } = self.incoming.take().expect("a head before");
                whole = Some((asked, asked.answer(body, trailers)));
            }
        }
        self.input.drain(..used);
        if let Some(status) = refused_with {
            scene.log(|| format!("api: refuses an answer with {status} before it is whole"));
            self.incoming = None;
            self.refuse(Said::Verdict, status, down, scene);
        }
        match whole {
            Some((Asked::Next, _)) => self.hold(scene),
            Some((Asked::Answer(number, _), answer)) => self.judge(number, &answer, down, scene),
            None => {}
        }
        !is_over
    }

    fn hold(&mut self, scene: &mut Scene) {
        scene.log(|| "api: is asked for an invocation".into());
        assert_eq!(self.handed_out, None, "one connection is asked twice, without an answer in between");
        let Scene { faults, now_ms, .. } = scene;
        self.held_until_ms =
            Some(if faults.does(Harm::NothingYet) { *now_ms + faults.up_to_ms(5000) } else { u64::MAX });
    }

    /// Replies to a `next` that has waited long enough, and says whether there was one.
    fn answer_the_held(&mut self, down: &mut Pipe, scene: &mut Scene) -> bool {
        let Some(until_ms) = self.held_until_ms else { return false };
        if self.wakes_ms(until_ms, scene) > scene.now_ms {
            return false;
        }
        self.held_until_ms = None;
        match scene.model.due(scene.now_ms) {
            Due::Event(number) => {
                self.handed_out = Some(number);
                scene.model.hand_out(number, scene.now_ms);
                scene.log(|| format!("api: hands out {}", scene.model.get(number)));
                let Scene { model, faults, .. } = scene;
                let invocation = model.get(number);
                self.say(
                    Said::Event(number),
                    &Reply::Invocation(invocation.context()),
                    &invocation.event,
                    down,
                    faults,
                );
            }
            Due::NotBefore(_) if scene.faults.coin() => {
                self.say(Said::NothingYet, &Reply::NothingYet, b"", down, &mut scene.faults);
            }
            Due::NotBefore(_) => self.refuse(Said::NothingYet, 408, down, scene),
            Due::Over => self.refuse(Said::End, 500, down, scene),
        }
        true
    }

    /// Takes an answer, or does not.
    fn judge(&mut self, number: usize, answer: &Answer, down: &mut Pipe, scene: &mut Scene) {
        self.handed_out = None;
        let Scene { model, faults, now_ms, .. } = scene;
        let invocation = model.get_mut(number);
        let taken = invocation.take(answer, *now_ms, faults);
        scene.log(|| format!("api: an answer to {}: {taken:?}", scene.model.get(number)));
        match taken {
            Ok(()) => {
                let Scene { model, faults, .. } = scene;
                self.say(Said::Verdict, &Reply::Accepted, model.get(number).id.as_bytes(), down, faults);
            }
            Err(status) => self.refuse(Said::Verdict, status, down, scene),
        }
    }

    fn refuse(&mut self, said: Said, status: u16, down: &mut Pipe, scene: &mut Scene) {
        let error = match status {
            400 => ApiError::InvalidRequestId,
            403 => ApiError::InvalidStateTransition { from: "RuntimeResponseSentState", to: "InvocationResponse" },
            410 => ApiError::InvokeTimeout,
            413 => ApiError::RequestEntityTooLarge,
            500 => ApiError::InternalServerError,
            _ => ApiError::NotFound,
        };
        let mut body = [0; 256];
        let len = error.write(&mut body).expect("room for every error");
        self.say(said, &Reply::Rejected { status }, &body[..len], down, &mut scene.faults);
    }

    /// Writes a whole reply, with what harm there is in how it is written.
    fn say(&mut self, said: Said, reply: &Reply<'_>, body: &[u8], down: &mut Pipe, faults: &mut Faults) {
        if faults.one_of(INTERIM_ONE_OF) {
            down.send(INTERIM);
            self.last_hint = down.sent;
        }
        if faults.does(Harm::Garbage) {
            down.send(GARBAGE);
            self.said = Said::Garbage;
            return self.leave(down, faults);
        }
        let is_chunked = !body.is_empty() && faults.one_of(3);
        let framing = if is_chunked { Body::Chunked } else { Body::Exact(body.len() as u64) };
        let mut head = [0; 1024];
        let len = self.server.send(reply, framing, &mut head).expect("a reply that is due");
        let mut closes = !self.server.is_open();
        let (line, headers) = head[..len].split_at(head.iter().position(|&byte| byte == b'\n').expect("a line") + 1);
        down.send(line);
        if !closes && faults.does(Harm::Close) {
            down.send(b"Connection: close\r\n");
            closes = true;
        }
        down.send(headers);
        let mut rest = body;
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(if is_chunked { faults.cut(rest.len()) } else { rest.len() });
            let frame = self.server.frame(piece.len()).expect("as many bytes as were announced");
            [frame.before(), piece, frame.after()].iter().for_each(|bytes| down.send(bytes));
            rest = behind;
        }
        let len = self.server.finish(&mut head).expect("as many bytes as were announced");
        down.send(&head[..len]);
        self.said = said;
        if closes {
            self.last_byte = Some(down.sent);
            self.leave(down, faults);
        }
    }

    /// Closes the connection, which may take back what the runtime has not read.
    fn leave(&mut self, down: &mut Pipe, faults: &mut Faults) {
        self.is_gone = true;
        if faults.one_of(4) {
            down.lose(faults.up_to(down.len()), End::Reset);
        } else {
            down.end(End::Closed);
        }
    }
}

impl Asked {
    /// What a head asks for, and the status to refuse it with at once, if that is to be.
    fn new(head: &Request<'_>, scene: &mut Scene) -> (Self, Option<u16>) {
        let (id, nonce, kind) = match *head {
            Request::Next => return (Self::Next, None),
            Request::Response { id, invocation_id, content_type, mode } => {
                assert_eq!(content_type, Some(CONTENT_TYPE));
                (id, invocation_id, if mode == Mode::Streaming { Kind::Streamed } else { Kind::Whole })
            }
            Request::Error { id, invocation_id, headers } => {
                assert_eq!(headers.error_type, Some(ERROR_TYPE));
                (id, invocation_id, Kind::Failed)
            }
            other => unreachable!("the runtime says {other:?}"),
        };
        let Scene { model, faults, .. } = scene;
        let number = model.find(id.as_str());
        let status = model.get_mut(number).begin_answer(nonce, faults);
        (Self::Answer(number, kind), status)
    }

    /// The answer that is whole with this body and these trailers.
    fn answer(self, body: Vec<u8>, trailers: Headers<'_>) -> Answer {
        let failure = StreamError::find(trailers).map(|error| {
            assert_eq!(error.error_type, ERROR_TYPE.as_bytes());
            error.report(&mut [0; 256]).expect("base64").to_vec()
        });
        match self {
            Self::Answer(_, Kind::Streamed) => Answer::Streamed { body, failure },
            Self::Answer(_, Kind::Failed) => Answer::Failed(body),
            Self::Answer(_, Kind::Whole) | Self::Next => Answer::Whole(body),
        }
    }
}

/// Of so many replies, one has an interim one before it.
const INTERIM_ONE_OF: u32 = 16;
const INTERIM: &[u8] = b"HTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n";

const GARBAGE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n";
