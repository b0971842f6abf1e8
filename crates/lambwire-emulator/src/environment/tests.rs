use super::*;
use crate::exit::Exit;
use crate::limits;
use lambwire::limits::{ERROR_BYTES, PAYLOAD_BYTES};

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
        self.environment.begin_answer(&begun, self.now)
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

#[test]
fn next_is_taken_and_refused_as_rie_does() {
    for state in STATES {
        let (expected, after) = match state {
            State::Started | State::Ready | State::ResponseSent | State::Restoring => (Ok(Next::Waits), State::Ready),
            State::Running => (Ok(Next::Again("now".into())), State::Running),
            _ => (refused(state, Call::Next), state),
        };
        let mut driven = Driven::at(state);
        assert_eq!(driven.next(), expected, "{state:?}");
        assert_eq!(driven.environment.state, after);
    }
}

#[test]
fn answers_are_taken_and_refused_as_rie_does() {
    for call in [Call::Response, Call::Error] {
        for state in STATES {
            let expected = match state {
                State::Running => Ok(PAYLOAD_BYTES),
                State::InvocationResponse | State::InvocationErrorResponse | State::ResponseSent => {
                    refused(state, call)
                }
                _ => Err(ApiError::InvalidRequestId),
            };
            let mut driven = Driven::at(state);
            assert_eq!(driven.begin(call, "now"), expected, "{state:?}");
            if expected.is_err() {
                assert_eq!(driven.environment.state, state);
            }
        }
    }
}

#[test]
fn an_id_counts_before_the_nonce_and_the_nonce_before_the_state_and_the_mode() {
    for state in STATES {
        let mut driven = Driven::at(state);
        let begun = Begun { call: Call::Response, id: "other", nonce: Some(b"x"), mode: Mode::Unknown };
        assert_eq!(driven.begin_as(begun), Err(ApiError::InvalidRequestId));
        assert_eq!(driven.environment.state, state);
    }
    let mut driven = Driven::at(State::ResponseSent);
    let stale = Begun { call: Call::Response, id: "now", nonce: Some(b"x"), mode: Mode::Unknown };
    assert_eq!(driven.begin_as(stale), Err(ApiError::InvokeTimeout));
    let again = Begun { nonce: Some(b"nonce"), ..stale };
    assert_eq!(driven.begin_as(again), refused(State::ResponseSent, Call::Response));
}

#[test]
fn init_errors_are_taken_from_the_start_only() {
    for state in STATES {
        // Clients that are older than restore errors send one of the start.
        let is_taken = matches!(state, State::Started | State::Restoring);
        let expected = if is_taken { Ok(true) } else { refused(state, Call::InitError) };
        assert_eq!(Driven::at(state).environment.begin_init_error(Call::InitError), expected);
        let expected = if state == State::Restoring { Ok(true) } else { refused(state, Call::RestoreError) };
        assert_eq!(Driven::at(state).environment.begin_init_error(Call::RestoreError), expected);
        let mut driven = Driven::at(state);
        let expected = if state == State::Started { Ok(()) } else { refused(state, Call::RestoreNext) };
        assert_eq!(driven.environment.restore_next(ConnectionId(9), driven.now), expected);
    }
    let mut managed = Driven::new(Capacity::Many(2));
    assert_eq!(managed.next(), Ok(Next::Waits));
    assert_eq!(managed.environment.begin_init_error(Call::InitError), Ok(false));
}

#[test]
fn a_bad_mode_fails_the_caller_and_leaves_the_runtime_where_nothing_is_taken() {
    let mut driven = Driven::at(State::Running);
    let begun = Begun { call: Call::Response, id: "now", nonce: None, mode: Mode::Unknown };
    assert_eq!(driven.begin_as(begun), Err(ApiError::InvalidResponseMode));
    assert_eq!(driven.actions(), ["fail now Runtime.InvalidResponseModeHeader"]);
    assert_eq!(driven.next(), refused(State::InvocationResponse, Call::Next));
    assert_eq!(driven.begin(Call::Response, "now"), refused(State::InvocationResponse, Call::Response));
    driven.pass(TIMEOUT);
    assert_eq!(driven.actions(), ["end", "over now Sandbox.Timedout"]);
}

#[test]
fn a_bad_mode_of_a_runtime_that_others_start_leaves_room_for_the_next() {
    let mut driven = Driven::of(Capacity::One, true);
    assert_eq!(driven.next(), Ok(Next::Waits));
    assert!(driven.assign("now").is_some());
    let begun = Begun { call: Call::Response, id: "now", nonce: None, mode: Mode::Unknown };
    assert_eq!(driven.begin_as(begun), Err(ApiError::InvalidResponseMode));
    assert_eq!(driven.actions(), ["fail now Runtime.InvalidResponseModeHeader"]);
    assert_eq!(driven.next(), Ok(Next::Waits));
    assert_eq!(driven.actions(), ["over now Runtime.InvalidResponseModeHeader"]);
    assert!(driven.environment.is_ready());
}

#[test]
fn an_invocation_is_over_when_the_next_one_is_asked_for() {
    let mut driven = Driven::at(State::ResponseSent);
    assert!(driven.environment.is_finishing() && !driven.environment.is_ready());
    assert_eq!(driven.actions(), [""; 0]);
    assert_eq!(driven.next(), Ok(Next::Waits));
    assert_eq!(driven.actions(), ["over now"]);
    assert!(driven.environment.is_ready());
    assert!(driven.assign("later").is_some());
    assert_eq!(driven.begin(Call::Response, "now"), Err(ApiError::InvalidRequestId));
}

#[test]
fn several_at_a_time_are_over_when_they_are_answered() {
    let mut driven = Driven::new(Capacity::Many(2));
    assert_eq!(driven.next(), Ok(Next::Waits));
    assert_eq!(driven.assign("a"), Some(ConnectionId(1)));
    assert!(!driven.environment.is_ready(), "nobody waits");
    for _ in 0..2 {
        assert_eq!(driven.next(), Ok(Next::Waits));
    }
    assert_eq!(driven.assign("b"), Some(ConnectionId(2)));
    assert!(!driven.environment.is_ready(), "it has as many as it takes");
    assert!(driven.begin(Call::Error, "b").is_ok_and(|limit| limit == ERROR_BYTES));
    assert_eq!(driven.begin(Call::Response, "b"), Err(ApiError::InvalidRequestId));
    assert_eq!(driven.end("b"), Ok(()));
    assert_eq!(driven.actions(), ["over b"]);
    assert!(driven.environment.is_ready());
    assert_eq!(driven.begin(Call::Response, "b"), Err(ApiError::InvalidRequestId));
}

#[test]
fn an_answer_that_is_cut_fails_at_once_or_when_the_runtime_goes_on() {
    let mut driven = Driven::at(State::InvocationResponse);
    driven.environment.cut_answer("now", driven.now);
    assert_eq!(driven.actions(), [""; 0]);
    assert_eq!(driven.next(), Ok(Next::Waits));
    assert_eq!(driven.actions(), ["fail now Runtime.TruncatedResponse", "over now Runtime.TruncatedResponse"]);

    let mut driven = Driven::new(Capacity::Many(2));
    driven.next().unwrap();
    driven.assign("now");
    driven.begin(Call::Response, "now").unwrap();
    driven.environment.cut_answer("now", driven.now);
    assert_eq!(driven.actions(), ["fail now Runtime.TruncatedResponse", "over now Runtime.TruncatedResponse"]);
}

#[test]
fn what_takes_too_long_ends_the_runtime_of_one_at_a_time_alone() {
    let mut driven = Driven::at(State::Running);
    assert_eq!(driven.environment.deadline(), Some(driven.now + TIMEOUT));
    driven.pass(TIMEOUT - Duration::from_nanos(1));
    assert_eq!(driven.actions(), [""; 0]);
    driven.pass(Duration::from_nanos(1));
    assert_eq!(driven.actions(), ["end", "fail now Sandbox.Timedout", "over now Sandbox.Timedout"]);

    let mut driven = Driven::new(Capacity::Many(2));
    driven.next().unwrap();
    driven.assign("now");
    driven.begin(Call::Response, "now").unwrap();
    driven.pass(TIMEOUT);
    assert_eq!(driven.actions(), ["fail now Sandbox.Timedout", "over now Sandbox.Timedout"]);
    // A late answer is refused so, once.
    assert_eq!(driven.end("now"), Err(ApiError::InvokeTimeout));
    assert_eq!(driven.end("now"), Err(ApiError::InvalidRequestId));
}

#[test]
fn an_answer_that_comes_late_is_late_before_anybody_has_looked() {
    let mut driven = Driven::new(Capacity::Many(2));
    for (late, expected) in [(Duration::ZERO, Err(ApiError::InvokeTimeout)), (Duration::from_nanos(1), Ok(ERROR_BYTES))]
    {
        driven.next().unwrap();
        driven.assign("now");
        driven.now += TIMEOUT - late;
        assert_eq!(driven.begin(Call::Error, "now"), expected);
    }
}

#[test]
fn a_runtime_that_does_not_ask_although_a_caller_waits_is_ended() {
    for capacity in [Capacity::One, Capacity::Many(2)] {
        let mut driven = Driven::new(capacity);
        driven.pass(INIT);
        assert_eq!(driven.actions(), [""; 0], "nobody waits");
        driven.environment.claim("a".into(), driven.now);
        driven.pass(INIT - Duration::from_nanos(1));
        assert_eq!(driven.actions(), [""; 0]);
        driven.pass(Duration::from_nanos(1));
        assert_eq!(driven.actions(), ["fail a Sandbox.Timedout", "over a Sandbox.Timedout", "end"]);
    }
}

#[test]
fn an_event_that_nobody_has_taken_has_not_timed_out() {
    let mut driven = Driven::new(Capacity::Many(2));
    driven.next().unwrap();
    driven.assign("now");
    driven.environment.claim("a".into(), driven.now);
    driven.pass(TIMEOUT);
    assert_eq!(driven.actions(), ["fail now Sandbox.Timedout", "over now Sandbox.Timedout"]);
    driven.pass(INIT);
    assert_eq!(driven.actions(), ["fail a Runtime.Unavailable", "over a Runtime.Unavailable", "end"]);
}

#[test]
fn a_process_that_ends_fails_all_that_it_has() {
    let exit = Exit::Code(3);
    let mut driven = Driven::new(Capacity::Many(3));
    for id in ["a", "b"] {
        driven.next().unwrap();
        driven.assign(id);
    }
    driven.environment.claim("c".into(), driven.now);
    driven.environment.exited(exit, driven.now);
    let failed = |id| [format!("fail {id} Runtime.ExitError"), format!("over {id} Runtime.ExitError")];
    assert_eq!(driven.actions(), ["c", "a", "b"].map(failed).concat());

    // Its caller has the answer.
    let mut driven = Driven::at(State::ResponseSent);
    driven.environment.exited(exit, driven.now);
    assert_eq!(driven.actions(), ["over now Runtime.ExitError"]);
    // Its caller has the report.
    let mut driven = Driven::at(State::InitError);
    driven.environment.exited(exit, driven.now);
    assert_eq!(driven.actions(), [""; 0]);
}

#[test]
fn the_report_of_a_start_that_fails_goes_to_the_caller_who_waits() {
    let mut driven = Driven::at(State::InitError);
    assert_eq!(driven.environment.end_init_error(None), None);
    let mut driven = Driven::new(Capacity::One);
    driven.environment.claim("a".into(), driven.now);
    assert_eq!(driven.environment.begin_init_error(Call::InitError), Ok(true));
    assert_eq!(driven.environment.end_init_error(None), Some("a".into()));
    assert_eq!(driven.actions(), ["over a"]);
    driven.environment.reset(Vec::new(), driven.now);
    assert_eq!(driven.next(), Ok(Next::Waits));
}

#[test]
fn what_is_done_after_a_restore_has_so_long_and_not_longer() {
    for early in [Duration::from_nanos(1), Duration::ZERO] {
        let mut driven = Driven::at(State::RestoreReady);
        driven.environment.claim("a".into(), driven.now);
        // It is not late before it was restored.
        driven.pass(INIT - Duration::from_nanos(1));
        assert_eq!(driven.environment.restore(driven.now), Some(ConnectionId(1)));
        driven.pass(limits::RESTORE - early);
        let expected: &[&str] = if early.is_zero() {
            &["fail a Runtime.RestoreHookUserTimeout", "over a Runtime.RestoreHookUserTimeout", "end"]
        } else {
            &[]
        };
        assert_eq!(driven.actions(), expected);
    }
}

#[test]
fn who_does_not_wait_any_more_is_forgotten() {
    let mut driven = Driven::new(Capacity::Many(2));
    for _ in 0..3 {
        driven.next().unwrap();
    }
    driven.environment.forget(ConnectionId(1));
    driven.environment.forget(ConnectionId(2));
    assert_eq!(driven.assign("a"), Some(ConnectionId(3)));
    // An invocation for which nobody waits goes to the one that asks next.
    let mut driven = Driven::at(State::Ready);
    driven.environment.forget(ConnectionId(1));
    assert_eq!(driven.assign("a"), None);
    assert_eq!(driven.next(), Ok(Next::Again("a".into())));
}

#[test]
fn as_many_time_outs_as_the_limit_are_remembered_and_of_one_more_the_oldest_is_not() {
    for count in [limits::TIMED_OUT - 1, limits::TIMED_OUT, limits::TIMED_OUT + 1] {
        let mut driven = Driven::new(Capacity::Many(1));
        for id in 0..count {
            driven.next().unwrap();
            driven.assign(&id.to_string());
            driven.pass(TIMEOUT);
        }
        let is_remembered = count <= limits::TIMED_OUT;
        assert_eq!(driven.end("0") == Err(ApiError::InvokeTimeout), is_remembered, "{count}");
        assert_eq!(driven.end(&(count - 1).to_string()), Err(ApiError::InvokeTimeout));
    }
}

#[test]
fn an_invocation_is_over_when_the_extensions_are_ready_as_well() {
    let mut driven = Driven::new(Capacity::One);
    driven.environment.reset(vec!["e".to_owned()], driven.now);
    let wish = br#"{"events":["INVOKE","SHUTDOWN"]}"#;
    let id = driven.environment.extensions.register("e", wish).unwrap();
    let ask = |driven: &mut Driven, connection| {
        driven.environment.extension_next(id.as_bytes(), ConnectionId(connection), driven.now).unwrap()
    };
    assert_eq!(driven.next(), Ok(Next::Waits));
    assert!(!driven.environment.is_ready(), "the extension has not asked");
    assert_eq!(ask(&mut driven, 100), None);
    assert!(driven.environment.is_ready());
    assert_eq!(driven.assign("now"), Some(ConnectionId(1)));
    assert_eq!(driven.actions(), ["notify 100"]);
    assert!(driven.begin(Call::Response, "now").is_ok());
    assert_eq!(driven.end("now"), Ok(()));
    assert_eq!(driven.next(), Ok(Next::Waits));
    assert_eq!(driven.actions(), ["done now"], "the extension is at work");
    assert_eq!(driven.next(), Ok(Next::Waits));
    assert_eq!(driven.actions(), [""; 0], "the runtime asks on another connection");
    driven.pass(TIMEOUT / 2);
    assert_eq!(ask(&mut driven, 101), None);
    assert_eq!(driven.actions(), ["over now"]);
    driven.environment.shut_down(ShutdownReason::Spindown, 1);
    assert_eq!(driven.actions(), ["notify 101"]);
}

#[test]
fn a_runtime_is_done_in_its_own_time_whatever_extensions_do() {
    for (is_answered, fate) in [(true, ""), (false, " Runtime.TruncatedResponse")] {
        let mut driven = Driven::new(Capacity::One);
        let id = driven.environment.extensions.register("e", br#"{"events":["INVOKE"]}"#).unwrap();
        driven.environment.extension_next(id.as_bytes(), ConnectionId(100), driven.now).unwrap();
        driven.next().unwrap();
        driven.assign("now");
        driven.begin(Call::Response, "now").unwrap();
        if is_answered {
            driven.end("now").unwrap();
        } else {
            driven.environment.cut_answer("now", driven.now);
        }
        driven.actions();
        driven.now += TIMEOUT / 4;
        driven.next().unwrap();
        if !is_answered {
            assert!(matches!(driven.environment.action(), Some(Action::Fail(_, Failure::Truncated))));
        }
        let Some(Action::EndTurn(done)) = driven.environment.action() else { panic!("the turn goes on") };
        assert_eq!(done.duration, TIMEOUT / 4);
        assert_eq!(ended(done), format!("now{fate}"));
        // The extension never asks again.
        driven.pass(TIMEOUT);
        assert_eq!(driven.environment.action(), Some(Action::End));
        let Some(Action::Finish { finished, is_runtime_done: true }) = driven.environment.action() else {
            panic!("it is not over")
        };
        assert_eq!(finished.duration, TIMEOUT / 4 + TIMEOUT);
        assert_eq!(ended(finished), "now Sandbox.Timedout");
    }
}

#[test]
fn an_invocation_is_late_by_its_own_time_out() {
    let mut driven = Driven::new(Capacity::Many(2));
    driven.next().unwrap();
    driven.next().unwrap();
    driven.assign("short");
    driven.environment.assign(&"long".into(), &"nonce".into(), Some(TIMEOUT * 2), driven.now);
    driven.now += TIMEOUT;
    driven.environment.tick(driven.now);
    assert!(driven.actions().iter().any(|action| action.contains("short")));
    assert_eq!(driven.environment.deadline(), Some(driven.now + TIMEOUT));
}
