//! What an attacker tries, and what comes of it: the tables of `docs/security.md`.
//!
//! `LAMBWIRE_BLESS=1 cargo test -p lambwire attacks` writes the tables there anew.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use lambwire::{ReceiveError, Reply, Request, RequestKind, SendError, Server};

use crate::attack_cases::{GIVEN, RECEIVED};
use crate::cuts::{Accepting, Asking, Heard, Peer, Transcript, feed, hear, hear_cut};

/// Bytes that are sent to an end.
pub(crate) struct Attack {
    pub(crate) what: &'static str,
    pub(crate) to: To,
    pub(crate) wire: Wire,
    pub(crate) verdict: Verdict,
    pub(crate) limit: Limit,
}

/// A value that is given to an end to be sent.
pub(crate) struct Injection {
    pub(crate) what: &'static str,
    pub(crate) value: Wire,
    pub(crate) send: fn(&str) -> Result<(), SendError>,
    pub(crate) verdict: SendError,
    pub(crate) limit: Limit,
}

/// The constant that bounds it, if one does.
pub(crate) type Limit = Option<(&'static str, u64)>;

/// Who is sent it: behind the head of a message, or as the whole of it.
#[derive(Clone, Copy)]
pub(crate) enum To {
    /// Both ends: header lines, and the body behind them.
    Either,
    Server,
    /// A client that has asked for this.
    Client(RequestKind),
    /// A server that gets one byte at a time, and after these no more.
    Patience,
}

/// A start, something repeated, and an end.
pub(crate) struct Wire(pub(crate) &'static [u8], pub(crate) &'static str, pub(crate) usize, pub(crate) &'static str);

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Verdict {
    Refused(ReceiveError),
    /// The messages that are taken, and what they say.
    Taken(&'static str),
    Waits,
}

impl Wire {
    pub(crate) const fn of(text: &'static str) -> Self {
        Self(text.as_bytes(), "", 0, "")
    }

    fn bytes(&self) -> Vec<u8> {
        [self.0, self.1.repeat(self.2).as_bytes(), self.3.as_bytes()].concat()
    }

    /// As it stands in a table.
    fn text(&self) -> String {
        let code = |bytes: &[u8]| {
            let text = bytes.escape_ascii().to_string().replace("\\'", "'").replace("\\\"", "\"");
            if text.is_empty() { text } else { format!("`{}`", text.replace('|', "\\|")) }
        };
        let repeated = if self.2 > 0 { format!("{} × {}", code(self.1.as_bytes()), self.2) } else { String::new() };
        [code(self.0), repeated, code(self.3.as_bytes())]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
    }
}

const POST: &[u8] = b"POST /2018-06-01/runtime/invocation/x/response HTTP/1.1\r\nHost: x\r\n";
const INVOCATION: &[u8] = b"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: x\r\n";

impl Attack {
    /// What comes of it, at each end that it is sent to.
    fn verdicts(&self) -> Vec<Verdict> {
        let wire = self.wire.bytes();
        let server = Accepting::default();
        match self.to {
            To::Either => {
                let request = [POST, &wire].concat();
                let reply = [INVOCATION, &wire].concat();
                vec![
                    verdict(&heard(&server, &request), asked),
                    verdict(&heard(&Asking::new(&[RequestKind::Next]), &reply), replied),
                ]
            }
            To::Server => vec![verdict(&heard(&server, &wire), asked)],
            To::Client(kind) => vec![verdict(&heard(&Asking::new(&[kind]), &wire), replied)],
            To::Patience => {
                let heard = feed(&mut Server::new(), &wire, 0..=wire.len());
                assert!(heard.messages.is_empty() && heard.stop.is_ok());
                vec![Verdict::Waits]
            }
        }
    }
}

fn heard<'i, P: Peer>(peer: &P, wire: &'i [u8]) -> Transcript<'i, P::Head<'i>> {
    // To cut a long one everywhere takes too long.
    if wire.len() < 1000 { hear_cut(peer, wire) } else { hear(peer, wire, [wire.len() / 2, wire.len()]) }
}

fn verdict<'i, H: Copy>(heard: &Transcript<'i, H>, text: impl Fn(H) -> String) -> Verdict {
    if let Err(error) = heard.stop {
        return Verdict::Refused(error);
    }
    let show = |message: &Heard<'i, H>| {
        let body =
            if message.body.is_empty() { "no body".to_owned() } else { format!("`{}`", message.body.escape_ascii()) };
        format!("{}: {body}", text(message.head))
    };
    let texts: Vec<_> = heard.messages.iter().map(show).collect();
    Verdict::Taken(texts.join("; ").leak())
}

fn asked(request: Request<'_>) -> String {
    request.kind().to_string()
}

fn replied(reply: Reply<'_>) -> String {
    let Reply::Invocation(context) = reply else { return format!("status {}", reply.status()) };
    let title = context.client_context().and_then(|context| context.app_title());
    let texts = [("trace id", context.trace_id.is_some()), ("title", title.is_some())];
    let found: String =
        texts.iter().filter(|(_, is_found)| *is_found).map(|(name, _)| format!(" with {name}")).collect();
    format!("invocation{found}")
}

#[test]
fn every_attack_has_the_verdict_that_the_table_gives() {
    for attack in RECEIVED {
        for verdict in attack.verdicts() {
            assert_eq!(verdict, attack.verdict, "{}: {}", attack.what, attack.wire.text());
        }
    }
}

#[test]
fn every_value_that_could_inject_is_refused_as_the_table_says() {
    for injection in GIVEN {
        let value = String::from_utf8(injection.value.bytes()).unwrap();
        assert_eq!((injection.send)(&value), Err(injection.verdict), "{}: {}", injection.what, injection.value.text());
    }
}

#[test]
fn the_document_has_these_tables() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/security.md");
    let found = fs::read_to_string(&path).unwrap();
    let written = with_table(&with_table(&found, "received", &received_table()), "given", &given_table());
    if std::env::var_os("LAMBWIRE_BLESS").is_some() {
        return fs::write(&path, &written).unwrap();
    }
    assert!(found == written, "docs/security.md is not what this test generates");
}

/// The document with the table between the marks of this name.
fn with_table(document: &str, name: &str, table: &str) -> String {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
    let (before, rest) = document.split_once(&begin).unwrap();
    let (_, after) = rest.split_once(&end).unwrap();
    format!("{before}{begin}\n{table}\n{end}{after}")
}

fn received_table() -> String {
    let mut table = "| attack | sent to | bytes | verdict | bound |\n|---|---|---|---|---|\n".to_owned();
    for attack in RECEIVED {
        let to = match attack.to {
            To::Either => "either end",
            To::Server | To::Patience => "server",
            To::Client(_) => "client",
        };
        let verdict = match attack.verdict {
            Verdict::Refused(error) => format!("refused: {error}"),
            Verdict::Taken(text) => format!("taken as {text}"),
            Verdict::Waits => "waits for more, and keeps nothing".to_owned(),
        };
        row(&mut table, &[attack.what, to, &attack.wire.text(), &verdict, &limit(attack.limit)]);
    }
    table
}

fn given_table() -> String {
    let mut table = "| attack | value | verdict | bound |\n|---|---|---|---|\n".to_owned();
    for injection in GIVEN {
        let verdict = format!("not sent: {}", injection.verdict);
        row(&mut table, &[injection.what, &injection.value.text(), &verdict, &limit(injection.limit)]);
    }
    table
}

fn row(table: &mut String, cells: &[&str]) {
    writeln!(table, "| {} |", cells.join(" | ")).unwrap();
}

fn limit(limit: Limit) -> String {
    limit.map_or("–".to_owned(), |(name, value)| format!("`{name}`, {value}"))
}
