#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod api_error;
mod client;
mod client_context;
mod context;
mod endpoint;
mod error;
mod event;
mod extension;
mod failure;
mod field;
mod json;
pub mod limits;
mod message;
mod reader;
mod report;
mod server;
mod session;
mod stream;
mod turn;
mod wire;

pub use api_error::{ACCEPTED_BODY, ApiError, Rejection};
pub use client::Client;
pub use client_context::{ClientContext, CognitoIdentity};
pub use context::{Context, InvocationId, RequestId};
pub use endpoint::{ENV_INITIALIZATION_TYPE, ENV_MAX_CONCURRENCY, ENV_RUNTIME_API, Endpoint, SNAP_START};
pub use error::{ReceiveError, SendError};
pub use event::{Event, Received};
pub use extension::{ExtensionId, NO_EVENTS};
pub use failure::{Chain, Error};
pub use field::Field;
pub use json::{Text, TextChars, Value};
pub use message::{ErrorHeaders, Mode, Reply, Request, RequestKind};
pub use reader::{CompleteReply, CompleteRequest, Message, MessageReader, Progress};
pub use report::{ErrorReport, ReceivedReport, StackFrame};
pub use server::Server;
pub use session::{Pipelining, Session};
pub use stream::{HTTP_INTEGRATION, PRELUDE_SEPARATOR, Prelude, ReceivedPrelude, StreamError};
pub use turn::{Action, Turn};
pub use wire::body::Body;
pub use wire::headers::{Header, HeaderIter, Headers};
pub use wire::outgoing::Frame;
