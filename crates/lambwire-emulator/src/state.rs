//! Whose turn it is between the Runtime API and one runtime that takes one invocation at a time.
//!
//! The states, their names and what is refused in each are those of AWS's emulator (RIE, `internal/lambda/core/states.go`
//! and `runtime_state_names.go`), without those of SnapStart.

use lambwire::{ApiError, Mode, RequestKind};

/// What a runtime is at. The name of a state stands in the refusals that it causes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It has not asked for anything.
    Started,
    /// It has said that it cannot start. Final.
    InitError,
    /// It waits for an invocation.
    Ready,
    /// It has one.
    Running,
    /// It is sending the response.
    InvocationResponse,
    /// It is sending an error report in place of a response.
    InvocationErrorResponse,
    /// The invocation is answered, and not over: the runtime may still be busy with it.
    ResponseSent,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Started => "Started",
            Self::InitError => "InitError",
            Self::Ready => "Ready",
            Self::Running => "Running",
            Self::InvocationResponse => "InvocationResponse",
            Self::InvocationErrorResponse => "InvocationErrorResponse",
            Self::ResponseSent => "RuntimeResponseSentState",
        }
    }

    pub(crate) fn refuses(self, wanted: Self) -> ApiError<'static> {
        ApiError::InvalidStateTransition { from: self.name(), to: wanted.name() }
    }
}

/// What becomes of a runtime that asks for the next invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It waits for one.
    Waits,
    /// It gets the one that it has, once more.
    Again,
}

/// The state of one runtime, with the id of the invocation that it has.
#[derive(Debug)]
pub(crate) struct Turn {
    state: State,
    current: Option<String>,
}

impl Turn {
    pub(crate) fn new() -> Self {
        Self { state: State::Started, current: None }
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    /// The runtime asks for an invocation; with that, the one before is over.
    pub(crate) fn next(&mut self) -> Result<Next, ApiError<'static>> {
        match self.state {
            State::Started | State::Ready | State::ResponseSent => {
                self.state = State::Ready;
                self.current = None;
                Ok(Next::Waits)
            }
            State::Running => Ok(Next::Again),
            state => Err(state.refuses(State::Ready)),
        }
    }

    /// An invocation is given to the runtime that waits. Gives back whether it does wait.
    pub(crate) fn invoke(&mut self, id: &str) -> bool {
        let waits = self.state == State::Ready;
        if waits {
            self.state = State::Running;
            self.current = Some(id.to_owned());
        }
        waits
    }

    /// The runtime begins to answer: an id that is not current counts before the state, and the state before the mode.
    /// A mode that is refused leaves the state where nothing else is accepted, as RIE does.
    pub(crate) fn begin_answer(&mut self, verb: RequestKind, id: &str, mode: Mode) -> Result<(), ApiError<'static>> {
        if self.current.as_deref() != Some(id) {
            return Err(ApiError::InvalidRequestId);
        }
        let wanted = match verb {
            RequestKind::Response => State::InvocationResponse,
            _ => State::InvocationErrorResponse,
        };
        if self.state != State::Running {
            return Err(self.state.refuses(wanted));
        }
        self.state = wanted;
        match mode {
            Mode::Unknown => Err(ApiError::InvalidResponseMode),
            _ => Ok(()),
        }
    }

    /// The answer that was begun is here, or will never be whole.
    pub(crate) fn end_answer(&mut self) {
        if matches!(self.state, State::InvocationResponse | State::InvocationErrorResponse) {
            self.state = State::ResponseSent;
        }
    }

    /// The runtime says that it cannot start.
    pub(crate) fn init_error(&mut self) -> Result<(), ApiError<'static>> {
        if self.state != State::Started {
            return Err(self.state.refuses(State::InitError));
        }
        self.state = State::InitError;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [State; 7] = [
        State::Started,
        State::InitError,
        State::Ready,
        State::Running,
        State::InvocationResponse,
        State::InvocationErrorResponse,
        State::ResponseSent,
    ];

    /// A runtime that has come to `state` by what it has asked for.
    fn turn_at(state: State) -> Turn {
        let mut turn = Turn::new();
        match state {
            State::Started => return turn,
            State::InitError => turn.init_error().unwrap(),
            _ => assert_eq!(turn.next(), Ok(Next::Waits)),
        }
        if !matches!(state, State::Ready | State::InitError) {
            assert!(turn.invoke("now"));
        }
        match state {
            State::InvocationResponse | State::ResponseSent => begin(&mut turn, RequestKind::Response).unwrap(),
            State::InvocationErrorResponse => begin(&mut turn, RequestKind::Error).unwrap(),
            _ => {}
        }
        if state == State::ResponseSent {
            turn.end_answer();
        }
        assert_eq!(turn.state(), state);
        turn
    }

    fn begin(turn: &mut Turn, verb: RequestKind) -> Result<(), ApiError<'static>> {
        turn.begin_answer(verb, "now", Mode::Buffered)
    }

    fn refused(from: State, to: &'static str) -> ApiError<'static> {
        ApiError::InvalidStateTransition { from: from.name(), to }
    }

    #[test]
    fn next_is_taken_and_refused_as_rie_does() {
        for state in STATES {
            let mut turn = turn_at(state);
            let (expected, after) = match state {
                State::Started | State::Ready | State::ResponseSent => (Ok(Next::Waits), State::Ready),
                State::Running => (Ok(Next::Again), State::Running),
                _ => (Err(refused(state, "Ready")), state),
            };
            assert_eq!(turn.next(), expected, "{state:?}");
            assert_eq!(turn.state(), after);
        }
    }

    #[test]
    fn answers_are_taken_and_refused_as_rie_does() {
        for (verb, name) in
            [(RequestKind::Response, "InvocationResponse"), (RequestKind::Error, "InvocationErrorResponse")]
        {
            for state in STATES {
                let mut turn = turn_at(state);
                let expected = match state {
                    State::Started | State::InitError | State::Ready => Err(ApiError::InvalidRequestId),
                    State::Running => Ok(()),
                    _ => Err(refused(state, name)),
                };
                assert_eq!(begin(&mut turn, verb), expected, "{state:?}");
                if expected.is_err() {
                    assert_eq!(turn.state(), state);
                }
            }
        }
    }

    #[test]
    fn an_id_that_is_not_current_counts_before_the_state() {
        for state in STATES {
            let mut turn = turn_at(state);
            assert_eq!(
                turn.begin_answer(RequestKind::Response, "other", Mode::Unknown),
                Err(ApiError::InvalidRequestId)
            );
            assert_eq!(turn.state(), state);
        }
    }

    #[test]
    fn init_errors_are_taken_from_the_start_only() {
        for state in STATES {
            let expected = match state {
                State::Started => Ok(()),
                _ => Err(refused(state, "InitError")),
            };
            assert_eq!(turn_at(state).init_error(), expected);
        }
    }

    #[test]
    fn a_bad_mode_leaves_the_runtime_where_nothing_is_taken() {
        let mut turn = turn_at(State::Running);
        assert_eq!(turn.begin_answer(RequestKind::Response, "now", Mode::Unknown), Err(ApiError::InvalidResponseMode));
        assert_eq!(turn.next(), Err(refused(State::InvocationResponse, "Ready")));
        assert_eq!(
            begin(&mut turn, RequestKind::Response),
            Err(refused(State::InvocationResponse, "InvocationResponse"))
        );
    }

    #[test]
    fn the_id_of_an_invocation_is_unknown_once_it_is_over() {
        let mut turn = turn_at(State::ResponseSent);
        assert_eq!(turn.next(), Ok(Next::Waits));
        assert!(turn.invoke("later"));
        assert_eq!(begin(&mut turn, RequestKind::Response), Err(ApiError::InvalidRequestId));
        assert_eq!(turn.state(), State::Running);
    }
}
