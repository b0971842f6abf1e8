#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod api;
mod base64;
mod caller;
mod client;
mod context;
mod error;
mod event;
mod extension;
mod failure;
mod field;
mod inbox;
mod json;
pub mod limits;
mod message;
mod refusal;
mod report;
mod server;
mod session;
mod stream;
mod turn;
mod wire;

pub use api::{API_VARIABLE, Api, INITIALIZATION_TYPE_VARIABLE, MAX_CONCURRENCY_VARIABLE, SNAP_START};
pub use caller::{ClientContext, CognitoIdentity};
pub use client::Client;
pub use context::{Context, InvocationId, RequestId};
pub use error::{ReceiveError, SendError};
pub use event::{Event, Received};
pub use extension::{ExtensionId, NO_EVENTS};
pub use failure::{Chain, Error};
pub use field::Field;
pub use inbox::{Inbox, Message, Progress, WholeReply, WholeRequest};
pub use json::{Text, TextChars, Value};
pub use message::{Fault, Mode, Reply, Request, Verb};
pub use refusal::{ACCEPTED_BODY, Objection, Rejection};
pub use report::{ErrorReport, ReceivedReport, StackFrame};
pub use server::Server;
pub use session::{Pipelining, Session};
pub use stream::{HTTP_INTEGRATION, PRELUDE_SEPARATOR, Prelude, ReceivedPrelude, StreamError};
pub use turn::{Action, Turn};
pub use wire::body::Body;
pub use wire::headers::{Header, HeaderIter, Headers};
pub use wire::outgoing::Frame;
