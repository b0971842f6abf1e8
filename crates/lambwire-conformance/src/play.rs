//! The steps of a play, as they stand in the files of requirements. `docs/conformance.md` explains each.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// A step of a play for a runtime: a request that is expected of it, and what is replied.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Turn {
    /// The request, or what else is waited for.
    pub expect: Option<Expected>,
    /// What the request is called by a later `answer`; it is not replied to now.
    #[serde(rename = "as")]
    pub name: Option<String>,
    /// Replies to the request of that name.
    pub answer: Option<String>,
    /// Sends the process this signal: `TERM`.
    pub signal: Option<Signal>,
    /// Closes the connection of the latest request, which is idle.
    pub close: Option<Closing>,
    /// The invocation that the request answers; the latest where it is not said.
    pub of: Option<String>,
    /// Whether the connection carried the request before.
    pub connection: Option<Connection>,
    /// Headers, by name: patterns.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Headers that must not be there.
    #[serde(default)]
    pub absent: Vec<String>,
    /// The body: a pattern.
    pub body: Option<String>,
    /// The body as JSON.
    pub json: Option<Value>,
    /// Bytes of the body.
    pub size: Option<usize>,
    /// How the end of the body is marked.
    pub framing: Option<Framing>,
    /// Trailers, by name: patterns.
    #[serde(default)]
    pub trailers: BTreeMap<String, String>,
    /// Trailers that must not be there.
    #[serde(default)]
    pub absent_trailers: Vec<String>,
    /// The trailer of an error's body, decoded, as JSON.
    pub error_trailer: Option<Value>,
    /// The exit status: of `exit`.
    pub status: Option<ExitStatus>,
    /// This step and those like it beside it may come in any order.
    #[serde(default)]
    pub any_order: bool,
    /// What is replied. An event is not replied to, and everything else gets 202, where it is not said.
    pub reply: Option<Reply>,
}

/// What is expected of a runtime.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Expected {
    /// `GET /2018-06-01/runtime/invocation/next`
    Next,
    /// `POST /2018-06-01/runtime/invocation/ID/response`
    Response,
    /// `POST /2018-06-01/runtime/invocation/ID/error`
    Error,
    /// Either of these two.
    Answer,
    /// `POST /2018-06-01/runtime/init/error`
    InitError,
    /// `GET /2018-06-01/runtime/restore/next`
    RestoreNext,
    /// `POST /2018-06-01/runtime/restore/error`
    RestoreError,
    /// `POST /2020-01-01/extension/register`
    Register,
    /// `GET /2020-01-01/extension/event/next`
    ExtensionNext,
    /// The process ends.
    Exit,
    /// The process ends with a status, or answers another event well.
    Recovers,
    /// It asks for the next event, or ends with a status.
    NextOrExit,
}

/// A signal.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
pub enum Signal {
    /// SIGTERM.
    Term,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Closing {
    /// With FIN.
    Close,
    /// With RST.
    Reset,
}

/// Which connection a request comes on.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Connection {
    /// One that carried a request before.
    Same,
    /// One that did not.
    New,
}

/// How the end of a body is marked.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Framing {
    /// By `Content-Length`.
    #[default]
    Length,
    /// By chunks.
    Chunked,
    /// By the end of the connection.
    Close,
    /// Not at all; there is no body.
    None,
}

/// How a process ends.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum ExitStatus {
    /// With 0.
    Zero,
    /// With another status.
    Nonzero,
    /// With any, but not by a signal.
    Any,
}

/// What the kit replies to a runtime.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Reply {
    /// An invocation with this event.
    pub event: Option<String>,
    /// An invocation with a JSON string of so many bytes.
    pub event_size: Option<usize>,
    /// What the invocation is called; else `a`, `b`, `c`, and so on.
    #[serde(rename = "as")]
    pub name: Option<String>,
    /// Its request id; else a UUID of its own.
    pub id: Option<String>,
    /// Where it is not 200 or, to a POST, 202.
    pub status: Option<u16>,
    /// The phrase behind the status.
    pub reason: Option<String>,
    /// Headers in place of the usual ones, or besides.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The usual headers that are left out.
    #[serde(default)]
    pub omit: Vec<String>,
    /// Names of headers in small letters, as hyper writes them.
    #[serde(default)]
    pub lower_case: bool,
    /// The body of what is no event.
    pub body: Option<String>,
    /// How the end of the body is marked.
    #[serde(default)]
    pub framing: Framing,
    /// Bytes of a chunk; else there is one.
    pub chunk: Option<usize>,
    /// What stands behind each chunk's size.
    #[serde(default)]
    pub chunk_extension: String,
    /// What stands between the last chunk and the empty line.
    #[serde(default)]
    pub trailer: String,
    /// `HTTP/1.0`.
    #[serde(default)]
    pub http_1_0: bool,
    /// Bytes that are sent before.
    #[serde(default)]
    pub before: String,
    /// Bytes that are sent in place of it all.
    pub raw: Option<String>,
    /// Bytes that are sent after.
    #[serde(default)]
    pub after: String,
    /// The most bytes of a segment.
    pub segment: Option<usize>,
    /// Bytes that are sent before the connection is closed, where not all are.
    pub at: Option<usize>,
    /// Ends the connection after.
    pub close: Option<Closing>,
    /// Does not reply.
    #[serde(default)]
    pub hold: bool,
    /// Replies as soon as the head of the request is there.
    #[serde(default)]
    pub early: bool,
}

/// A step of a play for a server, in which the kit is the runtime and the caller.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ServerStep {
    /// Sends this request.
    pub send: Option<Sent>,
    /// Waits for the reply to the request of that name.
    #[serde(rename = "await")]
    pub awaited: Option<String>,
    /// Ends the runtime's process with this status.
    pub exit: Option<u8>,
    /// Closes the connection of that name.
    pub close: Option<String>,
    /// Waits until the server starts the runtime again.
    #[serde(default)]
    pub restarted: bool,
    /// What the request is called; else as `send` says.
    #[serde(rename = "as")]
    pub name: Option<String>,
    /// The connection: of callers one each, of the runtime one for all, where it is not said.
    pub on: Option<String>,
    /// The invocation that is answered; the latest where it is not said.
    pub of: Option<String>,
    /// Another method than the usual one.
    pub method: Option<String>,
    /// Another path than the usual one.
    pub path: Option<String>,
    /// Headers besides.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The usual headers that are left out.
    #[serde(default)]
    pub omit: Vec<String>,
    /// The body.
    pub body: Option<String>,
    /// A JSON string of so many bytes as the body.
    pub size: Option<usize>,
    /// How the end of the body is marked.
    pub framing: Option<Framing>,
    /// Bytes of a chunk; else there is one.
    pub chunk: Option<usize>,
    /// What stands between the last chunk and the empty line.
    #[serde(default)]
    pub trailer: String,
    /// The most bytes of a segment.
    pub segment: Option<usize>,
    /// Bytes in place of it all.
    pub raw: Option<String>,
    /// Bytes that are sent, where not all are.
    pub at: Option<usize>,
    /// Environment variables that the server gives the runtime: patterns.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// What the reply has to be. It is waited for.
    pub expect: Option<ExpectedReply>,
}

/// A request of the kit to a server.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Sent {
    /// `GET …/invocation/next`
    Next,
    /// `POST …/invocation/ID/response`
    Response,
    /// `POST …/invocation/ID/error`
    Error,
    /// `POST …/init/error`
    InitError,
    /// `GET …/restore/next`
    RestoreNext,
    /// `POST …/restore/error`
    RestoreError,
    /// `POST /2020-01-01/extension/register`
    Register,
    /// `GET /2020-01-01/extension/event/next`
    ExtensionNext,
    /// `POST /2015-03-31/functions/NAME/invocations`
    Invoke,
    /// `POST /2021-11-15/functions/NAME/response-streaming-invocations`
    InvokeStream,
    /// Whatever `method`, `path` or `raw` say, to the Runtime API.
    Api,
}

/// What a server has to reply.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ExpectedReply {
    /// One of these; 200 or 202 where it is not said.
    #[serde(default)]
    pub status: Vec<u16>,
    /// Headers, by name: patterns.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Headers that must not be there.
    #[serde(default)]
    pub absent: Vec<String>,
    /// Headers whose names have to stand in exactly this case.
    #[serde(default)]
    pub exact_names: Vec<String>,
    /// The body: a pattern.
    pub body: Option<String>,
    /// The body as JSON.
    pub json: Option<Value>,
    /// Bytes of the body.
    pub size: Option<usize>,
    /// What the invocation is called; else `a`, `b`, `c`, and so on.
    #[serde(rename = "as")]
    pub name: Option<String>,
    /// The connection is closed after it, or without a reply where that is all that is expected.
    #[serde(default)]
    pub closed: bool,
    /// Anything, the end of the connection included.
    #[serde(default)]
    pub anything: bool,
}
