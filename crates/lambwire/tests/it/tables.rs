//! The state machines of `docs/architecture.md` are those of the code: each cell of its tables is tried.
//!
//! `LAMBWIRE_BLESS=1 cargo test -p lambwire tables -- --test-threads 1` writes the tables there anew.

use std::fmt::Debug;
use std::fs;
use std::path::PathBuf;

use lambwire::{
    Action, Body, Client, Error, Event, Mode, Pipelining, ReceiveError, Reply, Request, RequestKind, SendError, Server,
    Session, Turn,
};

use crate::cuts::plain_request;
use crate::pipelining::response;

const HEAD_OF_REPLY: &[u8] = b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n";
const HEAD_OF_REQUEST: &[u8] = b"POST /2018-06-01/runtime/init/error HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n";
const TWO: Body = Body::Exact(2);

/// What stands in a cell where a call is refused since it is not its turn.
const OUT_OF_TURN: &str = "—";

/// Compares a table with what each call does in each state, the calls below each other.
fn check(name: &str, states: &[&str], calls: &[&str], outcome: impl Fn(&str, &str) -> String) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/architecture.md");
    let text = fs::read_to_string(&path).unwrap();
    let mark = format!("<!-- Tried by tests/it/tables.rs: {name} -->\n\n");
    let start = text.find(&mark).unwrap_or_else(|| panic!("no table of {name}")) + mark.len();
    let end = text[start..].find("\n\n").map_or(text.len(), |len| start + len + 1);
    if std::env::var_os("LAMBWIRE_BLESS").is_some() {
        let row = |first: &str, cells: Vec<String>| format!("| {first} | {} |\n", cells.join(" | "));
        let mut table = row("", states.iter().map(|state| (*state).to_owned()).collect());
        table += &row("---", vec!["---".to_owned(); states.len()]);
        for call in calls {
            table += &row(call, states.iter().map(|state| outcome(state, call)).collect());
        }
        return fs::write(&path, text[..start].to_owned() + &table + &text[end..]).unwrap();
    }
    let mut rows = text[start..end].lines().map(|line| line.trim_matches('|').split('|').map(str::trim).collect());
    let head: Vec<&str> = rows.next().expect("a row of states");
    assert_eq!(head[1..], *states, "states of {name}");
    let rows: Vec<Vec<&str>> = rows.skip(1).collect();
    assert_eq!(rows.iter().map(|row| row[0]).collect::<Vec<_>>(), calls, "calls of {name}");
    for row in rows {
        for (state, cell) in states.iter().zip(&row[1..]) {
            assert_eq!(outcome(state, row[0]), *cell, "{name}: {}, {state}", row[0]);
        }
    }
}

/// The cell for a call: the state that it leads to, or its error.
fn cell<E: Debug + 'static>(result: Result<(), E>, state: impl FnOnce() -> &'static str) -> String {
    let Err(error) = result else { return state().to_owned() };
    let error = format!("{error:?}");
    match error.split([' ', '(']).next().unwrap_or_default() {
        "InvalidState" => OUT_OF_TURN.to_owned(),
        name => format!("`{name}`"),
    }
}

const CLIENT_STATES: [&str; 8] =
    ["ready", "writing", "streaming", "written", "asked", "pipelined", "receiving", "closed"];

fn client(state: &str) -> Client {
    let mut client = Client::new("127.0.0.1:9001").unwrap();
    let mut out = [0; 512];
    match state {
        "writing" | "written" | "pipelined" | "receiving" => {
            client.send(&response(Mode::Buffered), TWO, &mut out).unwrap();
        }
        "streaming" => drop(client.send(&response(Mode::Streaming), Body::Chunked, &mut out).unwrap()),
        "asked" => drop(client.send(&Request::Next, Body::Exact(0), &mut out).unwrap()),
        "closed" => client.receive_eof().unwrap(),
        _ => {}
    }
    if matches!(state, "written" | "pipelined" | "receiving") {
        client.frame(2).unwrap();
    }
    match state {
        "pipelined" => drop(client.send(&Request::Next, Body::Exact(0), &mut out).unwrap()),
        "receiving" => client_receives(&mut client, HEAD_OF_REPLY).unwrap(),
        _ => {}
    }
    assert_eq!(client_state(&client), state);
    client
}

/// The state of a client, as it shows in what it would do.
fn client_state(client: &Client) -> &'static str {
    let mut out = [0; 512];
    let next = client.clone().send(&Request::Next, Body::Exact(0), &mut out);
    if matches!(client.clone().receive(b"ok").map(|received| received.event), Ok(Event::Data(_))) {
        "receiving"
    } else if next == Err(SendError::Closed) {
        "closed"
    } else if client.is_ready() {
        "ready"
    } else if client.clone().finish_with_error("T", b"{}", &mut out).is_ok() {
        "streaming"
    } else if client.clone().frame(2).is_ok() {
        "writing"
    } else if client.in_flight() == Some(RequestKind::Next) {
        "asked"
    } else if next.is_ok() {
        "written"
    } else {
        "pipelined"
    }
}

fn client_receives(client: &mut Client, mut bytes: &[u8]) -> Result<(), ReceiveError> {
    loop {
        let received = client.receive(bytes)?;
        match received.event {
            Event::NeedInput | Event::Paused => return Ok(()),
            _ => bytes = &bytes[received.used..],
        }
    }
}

#[test]
fn a_client_goes_from_state_to_state_as_its_table_says() {
    let calls = [
        "`send` of `next`",
        "`send` of a response",
        "`frame` of its body",
        "`finish` of a stream",
        "head of a reply",
        "body of the reply",
        "end of the connection",
    ];
    check("Client", &CLIENT_STATES, &calls, |state, call| {
        let (mut client, mut out) = (client(state), [0; 512]);
        let received = match call {
            "`send` of `next`" => {
                let sent = client.send(&Request::Next, Body::Exact(0), &mut out);
                return cell(sent.map(drop), || client_state(&client));
            }
            "`send` of a response" => {
                let sent = client.send(&response(Mode::Buffered), TWO, &mut out);
                return cell(sent.map(drop), || client_state(&client));
            }
            "`frame` of its body" => {
                let framed = client.frame(2);
                return cell(framed.map(drop), || client_state(&client));
            }
            "`finish` of a stream" => {
                let finished = client.finish_with_error("T", b"{}", &mut out);
                return cell(finished.map(drop), || client_state(&client));
            }
            "head of a reply" => client_receives(&mut client, HEAD_OF_REPLY),
            "body of the reply" => client_receives(&mut client, b"ok"),
            _ => client.receive_eof(),
        };
        cell(received, || client_state(&client))
    });
}

const SERVER_STATES: [&str; 6] = ["idle", "receiving", "due", "replying", "refusing", "closed"];

fn server(state: &str) -> Server {
    let (mut server, mut out) = (Server::new(), [0; 512]);
    match state {
        "receiving" | "refusing" => server_receives(&mut server, HEAD_OF_REQUEST).unwrap(),
        "due" | "replying" => server_receives(&mut server, &[HEAD_OF_REQUEST, b"ok"].concat()).unwrap(),
        "closed" => server.receive_eof().unwrap(),
        _ => {}
    }
    if matches!(state, "replying" | "refusing") {
        server.send(&Reply::Accepted, TWO, &mut out).unwrap();
    }
    assert_eq!(server_state(&server), state);
    server
}

/// The state of a server, as it shows in what it would do.
fn server_state(server: &Server) -> &'static str {
    let has_body = matches!(server.clone().receive(b"ok").map(|received| received.event), Ok(Event::Data(_)));
    if server.clone().frame(2).is_ok() {
        if has_body { "refusing" } else { "replying" }
    } else if !server.is_open() {
        "closed"
    } else if has_body {
        "receiving"
    } else if server.clone().send(&Reply::Accepted, TWO, &mut [0; 512]).is_ok() {
        "due"
    } else {
        "idle"
    }
}

fn server_receives(server: &mut Server, mut bytes: &[u8]) -> Result<(), ReceiveError> {
    loop {
        let received = server.receive(bytes)?;
        match received.event {
            Event::NeedInput | Event::Paused => return Ok(()),
            _ => bytes = &bytes[received.used..],
        }
    }
}

#[test]
fn a_server_goes_from_state_to_state_as_its_table_says() {
    let calls = [
        "head of a request",
        "body of the request",
        "`send` of a reply",
        "`frame` of its body",
        "end of the connection",
    ];
    check("Server", &SERVER_STATES, &calls, |state, call| {
        let mut server = server(state);
        let received = match call {
            "head of a request" => server_receives(&mut server, HEAD_OF_REQUEST),
            "body of the request" => server_receives(&mut server, b"ok"),
            "`send` of a reply" => {
                let sent = server.send(&Reply::Accepted, TWO, &mut [0; 512]);
                return cell(sent.map(drop), || server_state(&server));
            }
            "`frame` of its body" => {
                let framed = server.frame(2);
                return cell(framed.map(drop), || server_state(&server));
            }
            _ => server.receive_eof(),
        };
        cell(received, || server_state(&server))
    });
}

const SESSION_STATES: [&str; 7] =
    ["connecting", "writing", "half written", "reading", "half read", "reading early", "pausing"];

/// Bytes of a request that are written at a time where not all are.
const PART: usize = 5;

/// A turn, and what its adapter knows of this connection.
struct Driven<'s, 'b> {
    turn: Turn<'s, 'b, Vec<u8>, ()>,
    /// Bytes of the request that are left.
    left: usize,
    reply: &'static [u8],
    is_half_read: bool,
}

impl Driven<'_, '_> {
    fn report(&mut self, call: &str) {
        let mut read = 0;
        match self.turn.poll() {
            Action::Write(parts) => self.left = parts.concat().len(),
            Action::Read(space) => {
                let reply: &[u8] = match call {
                    "a reply" if self.is_half_read => &self.reply[PART..],
                    "a rejection" if self.is_half_read => &REJECTED[PART..],
                    "a reply" => self.reply,
                    "a rejection" => REJECTED,
                    _ => &self.reply[..PART],
                };
                space[..reply.len()].copy_from_slice(reply);
                read = reply.len();
            }
            _ => {}
        }
        match call {
            "connected" => self.turn.connected(Ok(())),
            "not connected" => self.turn.connected(Err(())),
            "all written" => self.turn.written(Ok(Some(self.left.max(1)))),
            "part written" => self.turn.written(Ok(Some(PART))),
            "something to read" => self.turn.written(Ok(None)),
            "not written" => self.turn.written(Err(())),
            "a reply" | "a rejection" | "half a reply" => self.turn.read(Ok(read.max(1))),
            "end of the connection" => self.turn.read(Ok(0)),
            "not read" => self.turn.read(Err(())),
            _ => self.turn.slept(),
        }
        match call {
            "all written" => self.left = 0,
            "part written" => self.left = self.left.saturating_sub(PART),
            "half a reply" => self.is_half_read = true,
            "connected" | "slept" => self.is_half_read = false,
            _ => {}
        }
    }
}

/// Replies that begin with the same bytes.
const EVENT: &[u8] = b"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: id\r\nContent-Length: 2\r\n\r\n{}";
const ACCEPTED: &[u8] = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";
const REJECTED: &[u8] = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n";

/// What a report leads to in this state of a turn.
fn after(kind: RequestKind, state: &str, call: &str) -> String {
    let mut session = Session::new("127.0.0.1:9001").unwrap();
    let (mut heads, mut buf) = ([0; 512], vec![0; 512]);
    let turn = if kind == RequestKind::Next {
        session.start_next(&mut heads).unwrap();
        session.turn_next(&heads, &[], &mut buf).unwrap()
    } else {
        session.start(&plain_request(kind), TWO, Pipelining::Off, &mut heads).unwrap();
        session.turn(&heads, b"ok", &mut buf).unwrap()
    };
    let reply = if kind == RequestKind::Next { EVENT } else { ACCEPTED };
    let mut driven = Driven { turn, left: 0, reply, is_half_read: false };
    let before: &[&str] = match state {
        "writing" => &["connected"],
        "half written" => &["connected", "part written"],
        "reading" => &["connected", "all written"],
        "half read" => &["connected", "all written", "half a reply"],
        "reading early" => &["connected", "part written", "something to read"],
        "pausing" => &["not connected"; 2],
        _ => &[],
    };
    for call in before {
        driven.report(call);
    }
    assert_eq!(session_state(&mut driven), Some(state));
    driven.report(call);
    if let Some(state) = session_state(&mut driven) {
        return state.to_owned();
    }
    let end = match driven.turn.finish() {
        Ok(_) => "accepted",
        Err(Error::Rejected(_)) => "rejected",
        Err(Error::Send { error: SendError::InvalidState, .. }) => return OUT_OF_TURN.to_owned(),
        Err(_) => "lost",
    };
    format!("**{end}**")
}

/// The state of a turn, as it shows in what is to be done; `None` if it is over.
fn session_state(driven: &mut Driven<'_, '_>) -> Option<&'static str> {
    Some(match driven.turn.poll() {
        Action::Connect(_) => "connecting",
        Action::Write(parts) if parts[0].starts_with(b"GET ") || parts[0].starts_with(b"POST ") => "writing",
        Action::Write(_) => "half written",
        Action::Read(_) if driven.is_half_read => "half read",
        Action::Read(_) if driven.left > 0 => "reading early",
        Action::Read(_) => "reading",
        Action::Sleep(_) => "pausing",
        Action::Grow(_) | Action::Done => return None,
    })
}

#[test]
fn a_session_goes_from_state_to_state_as_its_tables_say() {
    let calls = [
        "connected",
        "not connected",
        "all written",
        "part written",
        "something to read",
        "not written",
        "a reply",
        "half a reply",
        "a rejection",
        "end of the connection",
        "not read",
        "slept",
    ];
    check("Session, next", &SESSION_STATES, &calls, |state, call| after(RequestKind::Next, state, call));
    check("Session, response", &SESSION_STATES, &calls, |state, call| after(RequestKind::Response, state, call));
}
