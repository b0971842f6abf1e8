//! Environments that are driven by hand.

use super::*;
use crate::exit::Exit;
use crate::limits;
use lambwire::limits::{ERROR_BYTES, PAYLOAD_BYTES};

mod answers;
mod ends;
mod extensions;

const TIMEOUT: Duration = Duration::from_secs(3);
const INIT: Duration = Duration::from_secs(10);
const STATES: [State; 10] = [
    State::Started,
    State::InitError,
    State::Ready,
    State::Running,
    State::InvocationResponse,
    State::InvocationErrorResponse,
    State::ResponseSent,
    State::RestoreReady,
    State::Restoring,
    State::RestoreError,
];

/// An environment, and the clock by which it is driven.
struct Driven {
    environment: Environment,
    now: Instant,
    connections: u64,
}

impl Driven {
    fn new(capacity: Capacity) -> Self {
        Self::of(capacity, false)
    }

    fn of(capacity: Capacity, is_guest: bool) -> Self {
        let now = Instant::now();
        let timeouts = Timeouts { invocation: Some(TIMEOUT), init: Some(INIT) };
        Self { environment: Environment::new(capacity, timeouts, is_guest, now), now, connections: 0 }
    }

    /// A runtime that takes one at a time, and has come to `state` by what it has asked for.
    fn at(state: State) -> Self {
        let mut driven = Self::new(Capacity::One);
        match state {
            State::Started => return driven,
            State::InitError => assert_eq!(driven.environment.begin_init_error(Call::InitError), Ok(true)),
            State::RestoreReady | State::Restoring | State::RestoreError => {
                assert_eq!(driven.environment.restore_next(ConnectionId(1), driven.now), Ok(()));
                if state != State::RestoreReady {
                    assert_eq!(driven.environment.restore(driven.now), Some(ConnectionId(1)));
                }
                if state == State::RestoreError {
                    assert_eq!(driven.environment.begin_init_error(Call::RestoreError), Ok(true));
                }
                assert_eq!(driven.environment.state, state);
                return driven;
            }
            _ => assert_eq!(driven.next(), Ok(Next::Waits)),
        }
        if !matches!(state, State::Ready | State::InitError) {
            assert!(driven.assign("now").is_some());
        }
        match state {
            State::InvocationResponse | State::ResponseSent => assert!(driven.begin(Call::Response, "now").is_ok()),
            State::InvocationErrorResponse => assert!(driven.begin(Call::Error, "now").is_ok()),
            _ => {}
        }
        if state == State::ResponseSent {
            assert_eq!(driven.end("now"), Ok(()));
        }
        assert_eq!(driven.environment.state, state);
        driven
    }

    fn next(&mut self) -> Result<Next, ApiError<'static>> {
        self.connections += 1;
        self.environment.next(ConnectionId(self.connections), self.now)
    }

    fn assign(&mut self, id: &str) -> Option<ConnectionId> {
        self.environment.assign(&id.into(), &"nonce".into(), Some(TIMEOUT), self.now)
    }

    fn begin(&mut self, call: Call, id: &str) -> Result<u64, ApiError<'static>> {
        self.begin_as(Begun { call, id, nonce: None, mode: Mode::Buffered })
    }

    fn begin_as(&mut self, begun: Begun<'_>) -> Result<u64, ApiError<'static>> {
        self.environment.begin_answer(&begun, self.now).map(|answering| answering.limit)
    }

    fn end(&mut self, id: &str) -> Result<(), ApiError<'static>> {
        self.environment.end_answer(id, Status::Success, self.now)
    }

    fn pass(&mut self, duration: Duration) {
        self.now += duration;
        self.environment.tick(self.now);
    }

    /// What is to be done: callers that fail, invocations that are over, and the end of the runtime.
    fn actions(&mut self) -> Vec<String> {
        let mut actions = Vec::new();
        while let Some(action) = self.environment.action() {
            actions.push(match action {
                Action::Fail(id, failure) => format!("fail {id} {}", failure.error_type()),
                Action::EndTurn(finished) => format!("done {}", ended(finished)),
                Action::Finish { finished, .. } => format!("over {}", ended(finished)),
                Action::Notify(connection, _) => format!("notify {}", connection.0),
                Action::End => "end".to_owned(),
            });
        }
        actions
    }
}

fn ended(Finished { id, status, .. }: Finished) -> String {
    match status {
        Status::Failed(failure) => format!("{id} {}", failure.error_type()),
        _ => id.to_string(),
    }
}

fn refused<T>(state: State, call: Call) -> Result<T, ApiError<'static>> {
    Err(state.refuses(call))
}
