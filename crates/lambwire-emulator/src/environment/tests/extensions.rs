//! Invocations that extensions hear of.

use super::*;

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
