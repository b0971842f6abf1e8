//! What requests of runtimes and extensions ask for.

use lambwire::{ApiError, ErrorHeaders, Headers, InvocationId, Mode, Request, RequestId};

use crate::answer::Reported;
use crate::environment::{Answering, Begun, Call};
use crate::fleet::member::Member;

/// What the head of a request asks for.
#[derive(Debug)]
pub(crate) enum Asked {
    Next,
    /// The runtime has begun to answer an invocation, or may not.
    Answer {
        begun: Result<Answering, ApiError<'static>>,
        kind: Kind,
    },
    /// The runtime cannot start, or go on from its snapshot.
    InitError {
        call: Call,
        error_type: Option<String>,
    },
    RestoreNext,
    Register {
        name: String,
        wants_account: bool,
    },
    ExtensionNext {
        id: Vec<u8>,
    },
    ExtensionError {
        id: Vec<u8>,
        error_type: Option<String>,
        is_init: bool,
    },
    /// To the Telemetry API, or to the Logs API.
    Subscribe {
        id: Vec<u8>,
        is_logs_api: bool,
    },
    Ping,
    Metadata {
        authorization: Vec<u8>,
    },
    /// A path that is known, by a method that it has not.
    WrongMethod {
        allowed: &'static str,
    },
    Other {
        what: String,
    },
}

/// What a runtime answers with.
#[derive(Debug)]
pub(crate) enum Kind {
    Response { content_type: Option<String> },
    Error { error_type: Option<String> },
}

impl Asked {
    pub(super) fn new(request: &Request<'_>, headers: Headers<'_>, member: &Member) -> Self {
        let error_type = |headers: &ErrorHeaders<'_>| headers.error_type.map(str::to_owned);
        let answer = |id: &RequestId<'_>, nonce: &Option<InvocationId<'_>>, mode, kind: Kind| {
            let nonce = nonce.as_ref().map(InvocationId::as_bytes);
            let begun = member.begin_answer(&Begun { call: kind.call(), id: id.as_str(), nonce, mode });
            Self::Answer { begun, kind }
        };
        match request {
            Request::Next => Self::Next,
            Request::Response { id, invocation_id, content_type, mode } => {
                answer(id, invocation_id, *mode, Kind::Response { content_type: content_type.map(str::to_owned) })
            }
            Request::Error { id, invocation_id, headers } => {
                answer(id, invocation_id, Mode::Buffered, Kind::Error { error_type: error_type(headers) })
            }
            Request::InitError(headers) => Self::InitError { call: Call::InitError, error_type: error_type(headers) },
            Request::RestoreError(headers) => {
                Self::InitError { call: Call::RestoreError, error_type: error_type(headers) }
            }
            Request::RestoreNext => Self::RestoreNext,
            Request::Register { name } => {
                Self::Register { name: (*name).to_owned(), wants_account: wants_account(headers) }
            }
            Request::ExtensionNext { id } => Self::ExtensionNext { id: id.as_bytes().to_vec() },
            Request::Other { method, target } => Self::other(method, target, headers),
            request => Self::Other { what: request.kind().to_string() },
        }
    }
}

impl Asked {
    /// What the Runtime API proper does not know.
    fn other(method: &str, target: &str, headers: Headers<'_>) -> Self {
        let path = target.split('?').next().unwrap_or(target);
        let value = |name: &str| headers.get(name).unwrap_or_default().to_vec();
        let error = |is_init| Self::ExtensionError {
            id: value(EXTENSION_ID),
            error_type: String::from_utf8(value(EXTENSION_ERROR_TYPE)).ok().filter(|text| !text.is_empty()),
            is_init,
        };
        match (method, path) {
            // Without a name.
            ("POST", "/2020-01-01/extension/register") => {
                Self::Register { name: String::new(), wants_account: wants_account(headers) }
            }
            // Without an id.
            ("GET", "/2020-01-01/extension/event/next") => Self::ExtensionNext { id: Vec::new() },
            ("POST", "/2020-01-01/extension/init/error") => error(true),
            ("POST", "/2020-01-01/extension/exit/error") => error(false),
            ("PUT", "/2022-07-01/telemetry") => Self::Subscribe { id: value(EXTENSION_ID), is_logs_api: false },
            ("PUT", "/2020-08-15/logs") => Self::Subscribe { id: value(EXTENSION_ID), is_logs_api: true },
            ("GET", PING) => Self::Ping,
            ("GET", METADATA) => Self::Metadata { authorization: value("Authorization") },
            _ => match method_of(path) {
                Some(allowed) if allowed != method => Self::WrongMethod { allowed },
                _ => Self::Other { what: format!("{method} {target}") },
            },
        }
    }
}

/// The method that a path has, if it is one.
fn method_of(path: &str) -> Option<&'static str> {
    let of_invocation = path.strip_prefix("/2018-06-01/runtime/invocation/").and_then(|rest| rest.split_once('/'));
    match path {
        "/2018-06-01/runtime/invocation/next" | "/2020-01-01/extension/event/next" | PING | METADATA => Some("GET"),
        "/2018-06-01/runtime/init/error"
        | "/2020-01-01/extension/register"
        | "/2020-01-01/extension/init/error"
        | "/2020-01-01/extension/exit/error" => Some("POST"),
        "/2022-07-01/telemetry" | "/2020-08-15/logs" => Some("PUT"),
        _ if matches!(of_invocation, Some((_, "response" | "error"))) => Some("POST"),
        _ => None,
    }
}

/// Names the extension that asks.
const EXTENSION_ID: &str = "Lambda-Extension-Identifier";

const EXTENSION_ERROR_TYPE: &str = "Lambda-Extension-Function-Error-Type";

/// Whether the Runtime API is there (RIE, `rapi/handler/runtimeping.go`).
const PING: &str = "/2018-06-01/ping";

/// Where functions ask for what is known of the place in which they run (AWS, "Metadata endpoint").
const METADATA: &str = "/2026-01-15/metadata/execution-environment";

fn wants_account(headers: Headers<'_>) -> bool {
    headers.get("Lambda-Extension-Accept-Feature").is_some_and(|features| {
        features.split(|byte| *byte == b',').any(|feature| feature.trim_ascii() == b"accountId")
    })
}

impl Kind {
    pub(crate) fn call(&self) -> Call {
        match self {
            Self::Response { .. } => Call::Response,
            Self::Error { .. } => Call::Error,
        }
    }

    /// The answer in this mode, with its body, unless that has gone to the caller already.
    pub(crate) fn with(self, mode: Mode, body: Vec<u8>, is_streamed: bool) -> Reported {
        match self {
            Self::Response { content_type } if is_streamed => Reported::Streamed { content_type },
            Self::Response { content_type } => Reported::Response { mode, content_type, body },
            Self::Error { error_type } => Reported::Error { error_type, report: body },
        }
    }
}
