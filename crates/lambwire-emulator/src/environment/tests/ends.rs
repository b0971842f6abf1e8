//! Starts and invocations that end otherwise than by an answer.

use super::*;

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
fn an_answer_that_came_while_the_emulator_stood_still_is_taken() {
    for capacity in [Capacity::One, Capacity::Many(2)] {
        for (excess, is_put_off) in [(-1, false), (0, false), (1, true)] {
            let mut driven = Driven::new(capacity);
            driven.next().unwrap();
            driven.assign("now");
            let late = limits::STANDSTILL.as_nanos().checked_add_signed(excess).unwrap();
            driven.now += TIMEOUT + Duration::from_nanos(late.try_into().unwrap());
            assert_eq!(driven.environment.put_off(driven.now), is_put_off, "{excess}");
            driven.pass(limits::SETTLE_GRACE - Duration::from_nanos(1));
            assert_eq!(driven.actions().is_empty(), is_put_off, "{excess}");
            if is_put_off {
                assert!(driven.begin(Call::Response, "now").is_ok());
                driven.pass(Duration::from_nanos(1));
                assert!(driven.actions().contains(&"fail now Sandbox.Timedout".to_owned()));
            }
        }
    }
    // Whoever looks first.
    let mut driven = Driven::new(Capacity::Many(2));
    driven.next().unwrap();
    driven.assign("now");
    driven.now += TIMEOUT + limits::STANDSTILL + Duration::from_nanos(1);
    assert!(driven.begin(Call::Response, "now").is_ok());
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
