//! Whole runtimes.

use std::io::{Read, Write};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use lambwire_mio::lambwire::{ApiError, RequestKind};
use lambwire_mio::{Error, Failure, Runtime};
use lambwire_testing::{Api, Event, Fault};

/// A runtime that echoes, but for an event that is to fail; its error, once it has ended.
fn echo(api: &Api) -> JoinHandle<Error> {
    let address = api.address();
    thread::spawn(move || {
        Runtime::connect(&address).unwrap().serve_observed(
            |event, _| {
                if event == b"\"fail\"" {
                    return Err(Failure::new("Function.Asked", "as the event says"));
                }
                Ok(event.into())
            },
            |_, _| {},
        )
    })
}

#[test]
fn a_test_waits_for_what_happens_and_sees_what_was_sent() {
    let api = Api::start().unwrap();
    let runtime = echo(&api);
    api.next_polled().unwrap();
    assert_eq!(api.kinds(), [RequestKind::Next]);
    let invoked = ["1", "\"fail\"", "3"].map(|event| api.invoke(Event::new(event).invocation_id("nonce")));
    let answers = invoked.each_ref().map(|one| one.answered().unwrap());
    api.frozen().unwrap();
    assert_eq!(answers.each_ref().map(|answer| answer.is_error()), [false, true, false]);
    assert_eq!((&*answers[0].text(), &*answers[2].text()), ("1", "3"));
    assert_eq!(answers[1].error_type.as_deref(), Some("Function.Asked"));
    for (one, answer) in invoked.iter().zip(&answers) {
        assert_eq!(answer.request_id.as_deref(), Some(one.request_id()));
        assert_eq!(answer.invocation_id.as_deref(), Some("nonce"));
        assert_eq!(answer.connection, 0);
    }
    use RequestKind::{Error, Next, Response};
    assert_eq!(api.kinds(), [Next, Response, Next, Error, Next, Response, Next]);
    drop(api);
    assert!(runtime.join().unwrap().is_fatal());
}

/// Faults of a reply to `next`, each with the connections that a runtime takes then.
#[test]
fn a_runtime_gets_over_what_goes_wrong_with_a_question() {
    let interim = b"HTTP/1.1 204 No Content\r\n\r\n".to_vec();
    for (fault, connections) in [
        (Fault::Close, 2),
        (Fault::Reset, 2),
        (Fault::CloseAfter(0), 2),
        (Fault::CloseAfter(30), 2),
        (Fault::CloseAfter(usize::MAX), 1),
        (Fault::Segments(1), 1),
        (Fault::Interim, 1),
        (Fault::NothingYet, 1),
        (Fault::Raw(interim), 1),
    ] {
        let api = Api::start().unwrap();
        api.break_next(fault.clone());
        let _runtime = echo(&api);
        let answered = api.invoke("1").answered().unwrap();
        assert_eq!(answered.text(), "1", "{fault:?}");
        if fault != Fault::CloseAfter(usize::MAX) {
            assert_eq!(api.connections(), connections, "{fault:?}");
        }
    }
}

#[test]
fn a_runtime_gets_over_what_goes_wrong_with_an_answer() {
    for fault in [
        Fault::Close,
        Fault::Reset,
        Fault::CloseAfter(10),
        Fault::Segments(1),
        Fault::Interim,
        Fault::Reject(ApiError::RequestEntityTooLarge),
    ] {
        let api = Api::start().unwrap();
        api.break_answer(fault.clone());
        let _runtime = echo(&api);
        let [one, other] = ["1", "2"].map(|event| api.invoke(event));
        assert_eq!((&*one.answered().unwrap().text(), &*other.answered().unwrap().text()), ("1", "2"), "{fault:?}");
        api.frozen().unwrap();
    }
}

#[test]
fn a_refusal_ends_a_runtime() {
    let api = Api::start().unwrap();
    api.break_next(Fault::Reject(ApiError::InternalServerError));
    assert!(echo(&api).join().unwrap().is_fatal());
}

#[test]
fn a_runtime_of_futures_takes_several_at_a_time() {
    const AT_A_TIME: usize = 4;
    let api = Api::start().unwrap();
    let address = api.address();
    let runtime = thread::spawn(move || {
        let serve = lambwire_smol::serve_concurrent(&address, AT_A_TIME, async |event, _| Ok(event.into()), |_, _| {});
        smol::block_on(serve)
    });
    api.polled_by(AT_A_TIME).unwrap();
    let invoked: Vec<_> = (0..20).map(|number| api.invoke(number.to_string())).collect();
    for (number, one) in invoked.iter().enumerate() {
        assert_eq!(one.answered().unwrap().text(), number.to_string());
    }
    assert_eq!(api.connections(), AT_A_TIME);
    drop(api);
    assert!(runtime.join().unwrap().is_fatal());
}

#[test]
fn a_runtime_waits_for_its_restore() {
    let api = Api::start().unwrap();
    let address = api.address();
    let _runtime = thread::spawn(move || {
        let mut runtime = Runtime::connect(&address).unwrap();
        runtime.restore(|| Ok(()), || Ok(())).unwrap();
        runtime.serve(|event, _| Ok(event.into()))
    });
    api.snapshot_polled().unwrap();
    assert_eq!(api.kinds(), [RequestKind::RestoreNext]);
    api.restore();
    assert_eq!(api.invoke("1").answered().unwrap().text(), "1");
}

#[test]
fn a_start_that_fails_is_seen() {
    let api = Api::start().unwrap();
    let mut runtime = Runtime::connect(&api.address()).unwrap();
    runtime.init_error(&Failure::new("Function.NoConfiguration", "nothing there").report()).unwrap();
    let report = api.init_failed().unwrap();
    assert_eq!(report.error_type.as_deref(), Some("Function.NoConfiguration"));
    assert!(report.report_text().contains("nothing there"));
}

const NEXT: &[u8] = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n";

#[test]
fn a_connection_may_be_in_memory() {
    let api = Api::start().unwrap();
    let mut connection = api.connect().unwrap();
    connection.write_all(NEXT).unwrap();
    api.next_polled().unwrap();
    let invoked = api.invoke(Event::new("{}").request_id("a"));
    let mut reply = Vec::new();
    while !reply.ends_with(b"\r\n\r\n{}") {
        let mut byte = [0];
        connection.read_exact(&mut byte).unwrap();
        reply.extend(byte);
    }
    assert!(reply.starts_with(b"HTTP/1.1 200 OK\r\n"));
    connection
        .write_all(b"POST /2018-06-01/runtime/invocation/a/response HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n1")
        .unwrap();
    assert_eq!(invoked.answered().unwrap().text(), "1");
}

#[test]
fn an_event_is_not_given_to_a_runtime_that_has_left() {
    let api = Api::start().unwrap();
    let mut left = api.connect().unwrap();
    left.write_all(NEXT).unwrap();
    api.next_polled().unwrap();
    drop(left);
    let _runtime = echo(&api);
    assert_eq!(api.invoke("1").answered().unwrap().text(), "1");
}

#[test]
fn a_wait_that_comes_to_nothing_says_what_came() {
    let api = Api::with_patience(Duration::ZERO).unwrap();
    let error = api.next_polled().unwrap_err();
    assert!(error.to_string().ends_with("until a runtime asks for an invocation; there came nothing"), "{error}");

    let api = Api::with_patience(Duration::from_millis(300)).unwrap();
    let mut connection = api.connect().unwrap();
    connection.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    // It is closed when it has not been understood.
    connection.read_to_end(&mut Vec::new()).unwrap();
    let error = api.invoke("1").answered().unwrap_err();
    assert!(error.to_string().contains("a request was not understood: "), "{error}");
    assert!(error.requests.is_empty());
}

#[test]
fn an_answer_to_nothing_is_refused() {
    let api = Api::start().unwrap();
    let mut connection = api.connect().unwrap();
    connection
        .write_all(b"POST /2018-06-01/runtime/invocation/no/response HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        .unwrap();
    let mut reply = [0; 12];
    connection.read_exact(&mut reply).unwrap();
    assert_eq!(&reply, b"HTTP/1.1 400");
}
