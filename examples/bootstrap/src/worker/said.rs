//! What a worker says.

use crate::failure::Failure;
use crate::frame::Kind;

/// What a worker says.
#[derive(Debug)]
pub(crate) enum Said<'a> {
    /// The handler is loaded: what the worker asks for.
    Ready(&'a [u8]),
    /// All of an answer: JSON.
    Result(&'a [u8]),
    /// All of an answer, whatever it is.
    Bytes(&'a [u8]),
    /// All of an answer: JSON, if it reads as such.
    Text(&'a [u8]),
    Prelude(&'a [u8]),
    /// The media type of what follows.
    Type(&'a [u8]),
    Chunk(&'a [u8]),
    End,
    Error(Failure),
    /// Hooks have run.
    Done,
}

impl<'a> Said<'a> {
    /// What a frame says.
    pub(crate) fn of(kind: Kind, body: &'a [u8]) -> Self {
        match kind {
            Kind::Ready => Self::Ready(body),
            Kind::Result => Self::Result(body),
            Kind::Bytes => Self::Bytes(body),
            Kind::Done => Self::Done,
            Kind::Text => Self::Text(body),
            Kind::Prelude => Self::Prelude(body),
            Kind::Type => Self::Type(body),
            Kind::Chunk => Self::Chunk(body),
            Kind::End => Self::End,
            Kind::Error | Kind::Fatal => Self::Error(Failure::read(body)),
        }
    }

    /// What the frame carries, if that is for the caller.
    pub(crate) fn body(&self) -> &'a [u8] {
        match *self {
            Self::Ready(body)
            | Self::Result(body)
            | Self::Bytes(body)
            | Self::Text(body)
            | Self::Prelude(body)
            | Self::Type(body)
            | Self::Chunk(body) => body,
            Self::Done | Self::End | Self::Error(_) => b"",
        }
    }

    /// What is wrong when a worker says this at another time.
    pub(crate) fn out_of_turn(&self) -> Failure {
        let kind = match self {
            Self::Ready(_) => "ready",
            Self::Result(_) => "result",
            Self::Bytes(_) => "bytes",
            Self::Done => "done",
            Self::Text(_) => "text",
            Self::Prelude(_) => "prelude",
            Self::Type(_) => "type",
            Self::Chunk(_) => "chunk",
            Self::End => "end",
            Self::Error(_) => "error",
        };
        Failure::new("Runtime.BadFrame", format!("frame '{kind}' of the worker protocol is out of turn"))
    }
}
