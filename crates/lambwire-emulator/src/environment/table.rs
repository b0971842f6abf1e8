//! What becomes of each request in each state, as data.
//!
//! The states, their names and what is refused in each are those of AWS's emulator: one at a time of RIE's
//! `internal/lambda/core/states.go` and `runtime_state_names.go`, several at a time of
//! `internal/lambda-managed-instances/`.

use lambwire::ApiError;

/// What a runtime is at. The name of a state stands in the refusals that it causes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It has not asked for anything.
    Started,
    /// It has reported that it cannot start. Final.
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
    /// It has started, and waits to be restored from a snapshot.
    RestoreReady,
    /// It has been restored, and has not asked for an invocation.
    Restoring,
    /// It has reported that it cannot go on from there. Final.
    RestoreError,
}

use State::{
    InitError, InvocationErrorResponse, InvocationResponse, Ready, ResponseSent, RestoreError, RestoreReady, Restoring,
    Running, Started,
};

/// A request that is due in some states and not in others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Next,
    Response,
    Error,
    InitError,
    RestoreNext,
    RestoreError,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is taken, and leads to this state.
    To(State),
    /// It gets the invocation that the runtime has, once more.
    Again,
    /// It is taken, and changes nothing.
    Ignored,
    /// It is not taken.
    Refused,
}

use Verdict::{Again, Ignored, Refused, To};

/// The verdicts on `next`, a response, an error, an init error, `restore/next` and a restore error, by state. A response
/// that names no invocation which the runtime has is refused before this is looked at.
pub(crate) type Table = [(State, [Verdict; 6])];

/// One invocation at a time.
pub(crate) const ON_DEMAND: &Table = &[
    (Started, [To(Ready), Refused, Refused, To(InitError), To(RestoreReady), Refused]),
    (InitError, [Refused; 6]),
    (Ready, [To(Ready), Refused, Refused, Refused, Refused, Refused]),
    (Running, [Again, To(InvocationResponse), To(InvocationErrorResponse), Refused, Refused, Refused]),
    (InvocationResponse, [Refused; 6]),
    (InvocationErrorResponse, [Refused; 6]),
    (ResponseSent, [To(Ready), Refused, Refused, Refused, Refused, Refused]),
    (RestoreReady, [Refused; 6]),
    (Restoring, [To(Ready), Refused, Refused, To(RestoreError), Refused, To(RestoreError)]),
    (RestoreError, [Refused; 6]),
];

/// Several at a time: after the start the state of the runtime is the same for ever, and ids decide.
pub(crate) const MANAGED: &Table = &[
    (Started, [To(Ready), Refused, Refused, To(InitError), Refused, Refused]),
    (InitError, [Refused; 6]),
    (Ready, [To(Ready), To(Ready), To(Ready), Ignored, Refused, Refused]),
];

/// What `table` says of a request in a state. What it does not list is refused.
pub(crate) fn verdict(table: &Table, state: State, call: Call) -> Verdict {
    let row = table.iter().find(|(of, _)| *of == state);
    row.map_or(Refused, |(_, [next, response, error, init_error, restore_next, restore_error])| match call {
        Call::Next => *next,
        Call::Response => *response,
        Call::Error => *error,
        Call::InitError => *init_error,
        Call::RestoreNext => *restore_next,
        Call::RestoreError => *restore_error,
    })
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Started => "Started",
            InitError => "InitError",
            Ready => "Ready",
            Running => "Running",
            InvocationResponse => "InvocationResponse",
            InvocationErrorResponse => "InvocationErrorResponse",
            ResponseSent => "RuntimeResponseSentState",
            RestoreReady => "RestoreReady",
            Restoring => "Restoring",
            RestoreError => "RuntimeRestoreErrorState",
        }
    }

    /// The refusal of a request in this state.
    pub(crate) fn refuses(self, call: Call) -> ApiError<'static> {
        let to = match call {
            Call::Next => Ready,
            Call::Response => InvocationResponse,
            Call::Error => InvocationErrorResponse,
            Call::InitError => InitError,
            Call::RestoreNext => RestoreReady,
            Call::RestoreError => RestoreError,
        };
        ApiError::InvalidStateTransition { from: self.name(), to: to.name() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_is_named_as_by_aws() {
        for (state, call, from, to) in [
            (ResponseSent, Call::Response, "RuntimeResponseSentState", "InvocationResponse"),
            (ResponseSent, Call::Error, "RuntimeResponseSentState", "InvocationErrorResponse"),
            (InitError, Call::Next, "InitError", "Ready"),
            (Running, Call::InitError, "Running", "InitError"),
        ] {
            assert_eq!(verdict(ON_DEMAND, state, call), Refused);
            assert_eq!(state.refuses(call), ApiError::InvalidStateTransition { from, to });
        }
        // A state that only one at a time has.
        assert_eq!(verdict(MANAGED, Running, Call::Next), Refused);
    }
}
