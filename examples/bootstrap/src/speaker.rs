//! Who says what the answer to an event is, and what an answer is made of that.

use std::time::Instant;

use lambwire_mio::Error;

use crate::answer::Answer;
use crate::failure::Failure;
use crate::frame::BODY_BYTES;
use crate::hub::Guest;
use crate::json;
use crate::outgoing::Outgoing;
use crate::worker::{Said, Worker};

/// Who says what the answer to an event is.
pub(crate) enum Speaker<'a> {
    /// A worker that has no other event.
    Worker { worker: &'a mut Worker, outgoing: Outgoing<'a>, deadline: Option<Instant> },
    /// A worker that may have others.
    Guest(Guest<'a>),
}

impl Speaker<'_> {
    /// Waits for the next that it has to say.
    fn next(&mut self) -> Result<Said<'_>, Failure> {
        match self {
            Self::Worker { worker, outgoing, deadline } => worker.next(outgoing, *deadline),
            Self::Guest(guest) => guest.next(),
        }
    }

    /// Whether it has taken nothing of the event, and never will.
    pub(crate) fn is_refused(&self) -> bool {
        match self {
            Self::Worker { worker, outgoing, .. } => worker.is_deaf() && outgoing.sent == 0,
            Self::Guest(_) => false,
        }
    }

    /// Whether it has been given all of the event.
    pub(crate) fn has_read(&self) -> bool {
        match self {
            Self::Worker { outgoing, .. } => outgoing.is_empty(),
            Self::Guest(_) => true,
        }
    }
}

/// Gives an answer as it comes. Returns what is still to be answered, and whether the worker is of more use.
pub(crate) fn converse(
    speaker: &mut Speaker<'_>,
    answer: &mut Answer<'_, '_>,
) -> (Result<Option<Failure>, Error>, bool) {
    let mut is_streaming = false;
    loop {
        let said = match speaker.next() {
            Ok(said) => said,
            Err(failure) => return (Ok(Some(failure)), false),
        };
        let piece = match said {
            Said::Result(json) if !is_streaming => {
                return match check_json(json) {
                    Ok(()) => (answer.respond(json).map(|()| None), true),
                    Err(failure) => (Ok(Some(failure)), true),
                };
            }
            Said::Bytes(bytes) if !is_streaming => return (answer.respond(bytes).map(|()| None), true),
            Said::Text(text) if !is_streaming => {
                return match json_of(text) {
                    Ok(Some(json)) => (answer.respond(&json).map(|()| None), true),
                    Ok(None) => (answer.respond(text).map(|()| None), true),
                    Err(failure) => (Ok(Some(failure)), true),
                };
            }
            Said::Prelude(json) if !is_streaming => answer.begin_http(json),
            Said::Type(media) if !is_streaming => {
                answer.begin(&String::from_utf8_lossy(media));
                Ok(())
            }
            Said::Chunk(piece) => answer.write(piece),
            Said::End => return (answer.finish().map(|()| None), true),
            Said::Error(failure) => return (Ok(Some(failure)), true),
            said => return (Ok(Some(said.out_of_turn())), false),
        };
        is_streaming = true;
        if let Err(error) = piece {
            // Nobody is left to hear the rest.
            return (Err(error), false);
        }
    }
}

/// An answer that a worker says is JSON.
fn check_json(json: &[u8]) -> Result<(), Failure> {
    let error = match str::from_utf8(json) {
        Ok(text) => match json::check(text) {
            Ok(()) => return Ok(()),
            Err(error) => error.to_string(),
        },
        Err(error) => error.to_string(),
    };
    Err(Failure::new("Runtime.MarshalError", format!("answer is not JSON: {error}")))
}

/// The JSON string that a text becomes, which is longer and may be too large; `None` if it is JSON as it stands.
fn json_of(text: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
    let text = str::from_utf8(text)
        .map_err(|error| Failure::new("Runtime.MarshalError", format!("answer is neither JSON nor UTF-8: {error}")))?;
    let mut json = Vec::new();
    if !json::is_json(text) {
        json::write_string(&mut json, text);
    }
    if json.len() > BODY_BYTES {
        return Err(Failure::too_large(json.len()));
    }
    Ok(Some(json).filter(|json| !json.is_empty()))
}
