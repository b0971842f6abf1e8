//! Answers, as they are taken and refused.

use super::*;

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
