//! A session has no two requests in flight but a `next` behind a response, and no response or event is lost unnoticed.

use lambwire::{
    Action, Body, Error, Event, Message, Mode, Pipelining, Reply, Request, RequestId, RequestKind, Server, Session,
    Turn,
};

/// Runs it over one input, of which each byte decides what is asked for, or what becomes of an action.
pub fn run(data: &[u8]) {
    let mut api = Api { choices: data, connection: None, taken: None, events: 0, given: 0 };
    let mut session = Session::new("127.0.0.1:9001").expect("an address");
    let (mut heads, mut out, mut reply) = ([0; 512], [0; 512], Vec::new());
    let mut number = 0;
    while let Some(choice) = api.choice() {
        number += 1;
        let id = format!("{number}");
        let body = vec![b'x'; usize::from(choice) * 7];
        match choice % 8 {
            0..3 => {
                let mut event = Vec::new();
                session.start_next(&mut heads).expect("room");
                let mut turn = session.turn_next(&heads, &reply, &mut event).expect("it was started");
                if api.drive(&mut turn) {
                    api.check_event(turn.finish());
                }
            }
            3..6 => {
                let pipelining = if choice % 8 == 3 { Pipelining::Off } else { Pipelining::Next };
                let request = response(&id, Mode::Buffered);
                let length = Body::Exact(body.len() as u64);
                session.start(&request, length, pipelining, &mut heads).expect("room");
                let mut turn = session.turn(&heads, &body, &mut reply).expect("it was started");
                if api.drive(&mut turn) && turn.accepted().is_ok() {
                    api.check_taken(&id, &body);
                }
            }
            6 => {
                session
                    .start(&response(&id, Mode::Streaming), Body::Chunked, Pipelining::Off, &mut heads)
                    .expect("room");
                if stream(&mut session, &mut api, &heads, &mut out, &mut reply, &body).is_some() {
                    api.check_taken(&id, &body);
                }
            }
            _ => session.disconnect(),
        }
    }
}

fn response(id: &str, mode: Mode) -> Request<'_> {
    let id = RequestId::new(id).expect("a number");
    Request::Response { id, invocation_id: None, content_type: None, mode }
}

/// Streams a body; `None` if it did not arrive.
fn stream(
    session: &mut Session,
    api: &mut Api<'_>,
    heads: &[u8],
    out: &mut [u8],
    reply: &mut Vec<u8>,
    body: &[u8],
) -> Option<()> {
    for piece in body.chunks(300) {
        let mut turn = session.turn(heads, piece, reply).expect("a piece is due");
        api.drive(&mut turn).then_some(())?;
        turn.accepted().ok()?;
    }
    let is_failed = api.choice()? % 2 == 1;
    let len = session.finish(is_failed.then_some(("T", b"{}")), out).expect("room");
    let mut turn = session.turn(heads, &out[..len], reply).expect("an end is due");
    api.drive(&mut turn).then_some(())?;
    turn.accepted().ok()
}

/// The other end of everything.
struct Api<'d> {
    choices: &'d [u8],
    connection: Option<Connection>,
    /// The last response that came whole.
    taken: Option<(String, Vec<u8>)>,
    /// Events that were handed out, and the last that was given to the caller.
    events: u32,
    given: u32,
}

/// One connection, as the API sees it.
#[derive(Default)]
struct Connection {
    server: Server,
    up: Vec<u8>,
    /// What came last, and whether that is all of it.
    request: Option<(RequestKind, String, Vec<u8>)>,
    is_whole: bool,
    /// Requests that have no reply yet.
    in_flight: Vec<RequestKind>,
    down: Vec<u8>,
    /// What was said on it cannot be understood, or speaks of its end.
    is_spoilt: bool,
}

impl Api<'_> {
    fn choice(&mut self) -> Option<u8> {
        let (first, rest) = self.choices.split_first()?;
        self.choices = rest;
        Some(*first)
    }

    /// Takes a turn to its end, and says whether it was not given up before.
    fn drive(&mut self, turn: &mut Turn<'_, '_, Vec<u8>, ()>) -> bool {
        loop {
            match turn.poll() {
                Action::Done => return true,
                Action::Grow(len) => {
                    assert!(len > turn.buffer().len());
                    turn.buffer().resize(len, 0);
                }
                Action::Sleep(_) => turn.slept(),
                Action::Connect(_) => match self.choice() {
                    None | Some(0) => {
                        self.connection = None;
                        return false;
                    }
                    Some(1..32) => turn.connected(Err(())),
                    Some(_) => {
                        self.connection = Some(Connection::default());
                        turn.connected(Ok(()));
                    }
                },
                Action::Write(parts) => {
                    let bytes = parts.concat();
                    let Some(choice) = self.choice() else { return false };
                    match choice {
                        0..8 => turn.written(Err(())),
                        8..16 => turn.written(Ok(None)),
                        16..20 => return self.leave(),
                        _ => {
                            let len = if choice < 64 { 1 + usize::from(choice) % bytes.len() } else { bytes.len() };
                            self.hear(&bytes[..len]);
                            turn.written(Ok(Some(len)));
                        }
                    }
                }
                Action::Read(space) => {
                    if self.connection.as_ref().is_none_or(|connection| connection.down.is_empty()) && !self.say() {
                        match self.choice() {
                            None | Some(0..16) => return self.leave(),
                            Some(16..64) => turn.read(Err(())),
                            Some(_) => turn.read(Ok(0)),
                        }
                        continue;
                    }
                    let cut = usize::from(self.choice().unwrap_or(255));
                    let down = &mut self.connection.as_mut().expect("what is read from").down;
                    let len = if cut < 128 { 1 + cut } else { down.len() };
                    let len = len.min(down.len()).min(space.len());
                    space[..len].copy_from_slice(&down[..len]);
                    down.drain(..len);
                    turn.read(Ok(len));
                }
            }
        }
    }

    /// The runtime gives a turn up, and its connection with it.
    fn leave(&mut self) -> bool {
        // The next write has to be to another one.
        if let Some(connection) = &mut self.connection {
            connection.is_spoilt = true;
        }
        false
    }

    /// Takes what the runtime has written.
    fn hear(&mut self, bytes: &[u8]) {
        let connection = self.connection.as_mut().expect("what is written to");
        assert!(!connection.is_spoilt || connection.up_is_open(), "a request on a connection that is of no more use");
        connection.up.extend_from_slice(bytes);
        loop {
            let received = connection.server.receive(&connection.up).expect("the runtime speaks well");
            let used = received.used;
            match received.event {
                Event::NeedInput | Event::Paused => {
                    connection.up.drain(..used);
                    break;
                }
                Event::Interim => unreachable!("a request has none"),
                Event::Head { head, .. } => {
                    let kind = head.kind();
                    let may_follow = match connection.in_flight[..] {
                        [] => true,
                        [RequestKind::Response] => kind == RequestKind::Next && connection.is_whole,
                        _ => false,
                    };
                    assert!(may_follow, "{kind} behind {:?}", connection.in_flight);
                    connection.in_flight.push(kind);
                    let id = if let Request::Response { id, .. } = head { id.to_string() } else { String::new() };
                    connection.request = Some((kind, id, Vec::new()));
                    connection.is_whole = false;
                }
                Event::Data(data) => {
                    connection.request.as_mut().expect("a head before").2.extend_from_slice(data);
                }
                Event::End { .. } => {
                    connection.is_whole = true;
                    if let Some((RequestKind::Response, id, body)) = connection.request.take() {
                        self.taken = Some((id, body));
                    }
                    // The replies are written by hand, in their order.
                    connection.server = Server::new();
                }
            }
            connection.up.drain(..used);
        }
    }

    /// Says something, if there is a connection and a choice.
    fn say(&mut self) -> bool {
        let Some(choice) = self.choice() else { return false };
        let Some(connection) = &mut self.connection else { return false };
        if connection.is_spoilt || choice < 8 {
            return false;
        }
        let kind = connection.in_flight.first().copied();
        let no_body = "\r\nContent-Length: 0\r\n\r\n";
        let reply = match choice {
            8..16 => "HTTP/1.1 103 Early Hints\r\n\r\n".to_owned(),
            16..24 => {
                connection.is_spoilt = true;
                // The last line is no header, whatever stands before it.
                String::from_utf8_lossy(self.choices.get(..20).unwrap_or_default()).into_owned()
                    + "\r\nno colon\r\n\r\n"
            }
            24..48 if kind == Some(RequestKind::Next) => format!("HTTP/1.1 204 No Content{no_body}"),
            24..40 => format!("HTTP/1.1 403 Forbidden{no_body}"),
            40..56 => format!("HTTP/1.1 413 Too Large{no_body}"),
            56..72 => {
                connection.is_spoilt = true;
                format!("HTTP/1.1 202 Accepted\r\nConnection: close{no_body}")
            }
            _ if kind == Some(RequestKind::Next) => {
                self.events += 1;
                let body = "e".repeat(usize::from(choice) * 3);
                let length = body.len();
                let id = self.events;
                format!(
                    "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: {id}\r\nContent-Length: {length}\r\n\r\n{body}"
                )
            }
            _ => format!("HTTP/1.1 202 Accepted{no_body}"),
        };
        if choice >= 24 && !connection.in_flight.is_empty() {
            connection.in_flight.remove(0);
        }
        connection.down.extend_from_slice(reply.as_bytes());
        true
    }

    /// An event that is given to the caller was handed out, and is given once.
    fn check_event(&mut self, end: Result<Message<'_, Reply<'_>>, Error<Option<()>, &[u8]>>) {
        let Ok(Message { head: Reply::Invocation(context), body, .. }) = end else { return };
        let Ok(number) = context.request_id.as_str().parse::<u32>() else { return };
        assert!((self.given + 1..=self.events).contains(&number), "{number} of {}", self.events);
        assert!(body.iter().all(|&byte| byte == b'e') && body.len() % 3 == 0);
        self.given = number;
    }

    /// A response that was accepted has come whole.
    fn check_taken(&self, id: &str, body: &[u8]) {
        let (taken_id, taken_body) = self.taken.as_ref().expect("a response came");
        assert!(taken_id == id && taken_body == body, "{taken_id} came, and {id} is said to have been accepted");
    }
}

impl Connection {
    /// Amid a request, whose rest may still come.
    fn up_is_open(&self) -> bool {
        !self.up.is_empty() || !self.is_whole && self.request.is_some() || !self.in_flight.is_empty()
    }
}
