//! What becomes of answers.

use std::time::Duration;

use lambwire::limits::PAYLOAD_BYTES;
use lambwire_emulator::fault::{Action, Plan, Reply, Script, Trigger};

use super::subject::Handler;
use super::{Case, acts, both, counted, ended, in_answer, lost, raw};

pub(super) const LOST: &str = "connection lost";

pub(super) fn cases() -> Vec<Case> {
    [verdicts(), refusals(), losses(), reports(), starts(), streams()].into_iter().flatten().collect()
}

fn respond(plan: impl Into<Plan>) -> Script {
    in_answer("respond", [plan.into()])
}

/// The environment is broken, and nothing more is dealt with.
fn fatal() -> Plan {
    acts([Reply::refused(500, "").into(), Action::Drain])
}

/// Replies that take an answer, in ways of their own.
fn verdicts() -> Vec<Case> {
    let says = |bytes: &str| respond(raw(bytes));
    // What stands behind the answer is not dealt with by a server that has lost its senses.
    let wrong = |name: &'static str, bytes: &str, why: &str| {
        let plan = acts([Reply::raw(bytes).into(), Action::Drain]);
        Case::new(name, respond(plan), lost(&format!("reply to response cannot be understood: {why}"), 3, 2, 2))
    };
    vec![
        Case::new("response: 202", respond(Reply::Accepted), both(3, 2, 1)),
        Case::new("response: 200 without a body", says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), both(3, 2, 1)),
        Case::new("response: 204", says("HTTP/1.1 204 No Content\r\n\r\n"), both(3, 2, 1)),
        Case::new(
            "response: 202 in chunks",
            says("HTTP/1.1 202 A\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
            both(3, 2, 1),
        ),
        Case::new(
            "response: 202 that closes",
            respond(acts([
                Reply::raw("HTTP/1.1 202 A\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").into(),
                Action::Close,
            ])),
            both(3, 2, 2),
        ),
        Case::new(
            "response: 202 in segments of one byte",
            respond(acts([Action::Pieces { say: Reply::Accepted, len: 1, pause: Duration::ZERO }])),
            both(3, 2, 1),
        ),
        Case::new(
            "response: 202 after an interim reply",
            respond(acts([Reply::raw("HTTP/1.1 100 Continue\r\n\r\n").into(), Reply::Accepted.into()])),
            both(3, 2, 1),
        ),
        Case::new(
            "response: 202 after half a second",
            respond(acts([Action::Pause(Duration::from_millis(500)), Reply::Accepted.into()])),
            both(3, 2, 1),
        ),
        Case::new("response: silence", respond(acts([Action::Silence])), counted("is answering, waits", 1, 1, 1)),
        wrong("response: garbage", "garbage\r\n\r\n", "first line is not HTTP/1"),
        wrong(
            "response: 202 with both lengths",
            "HTTP/1.1 202 A\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "more than one length for one body",
        ),
        wrong(
            "response: 202 with a body of 1 TB",
            "HTTP/1.1 202 A\r\nContent-Length: 1000000000000\r\n\r\n{}",
            "payload larger than 6291556 bytes",
        ),
    ]
}

/// Replies that refuse an answer.
fn refusals() -> Vec<Case> {
    let refused = |status: u16| lost(&format!("response refused with status {status}"), 3, 2, 1);
    let early =
        |trigger: Trigger, say: Reply| in_answer("large", [Plan::new([say.into(), Action::Drain]).when(trigger)]);
    vec![
        Case::new("response: 301", respond(Reply::refused(301, "")), refused(301)),
        Case::new(
            "response: 400 with a reason",
            respond(Reply::refused(400, r#"{"errorMessage":"Invalid request ID","errorType":"InvalidRequestID"}"#)),
            lost("response refused with status 400: Invalid request ID (InvalidRequestID)", 3, 2, 1),
        ),
        Case::new("response: 403", respond(Reply::refused(403, "")), refused(403)),
        Case::new("response: 404", respond(Reply::refused(404, "404 page not found\n")), refused(404)),
        Case::new("response: 408", respond(Reply::refused(408, "")), refused(408)),
        Case::new("response: 410", respond(Reply::refused(410, "")), refused(410)),
        Case::new(
            "response: 413",
            respond(Reply::refused(413, "")),
            lost("response of 2 bytes refused with status 413", 3, 2, 1),
        ),
        Case::new("response: 500", respond(fatal()), ended("response refused with status 500", 1, 1, 1)),
        Case::new(
            "response: 503 that closes",
            respond(acts([Reply::refused(503, "").into(), Action::Close])),
            ended("response refused with status 503", 1, 1, 1),
        ),
        Case::new(
            "a large response: 413 at its head",
            early(Trigger::Head, Reply::refused(413, "{}")),
            lost("response of 6000000 bytes refused with status 413", 3, 2, 2),
        ),
        Case::new(
            "a large response: 413 in its midst",
            early(Trigger::Body(1_000_000), Reply::refused(413, "{}")),
            lost("response of 6000000 bytes refused with status 413", 3, 2, 2),
        ),
        Case::new(
            "a large response: 500 at its head",
            early(Trigger::Head, Reply::refused(500, "")),
            ended("response refused with status 500", 1, 1, 1),
        ),
        Case::new(
            "a response of a byte too many, which is not sent",
            in_answer("oversize", []),
            counted(
                &format!(
                    "`a` lost: response cannot be sent: payload is 7000000 bytes, limit is {PAYLOAD_BYTES}, `b` answered, waits, reported Function.ResponseSizeTooLarge"
                ),
                3,
                2,
                1,
            ),
        ),
        Case::new(
            "a response whose media type cannot be sent",
            in_answer("unfit", []),
            counted(
                "`a` lost: response cannot be sent: invalid content type, `b` answered, waits, reported Function.UnsendableResponse",
                3,
                2,
                1,
            ),
        ),
    ]
}

/// Connections that are lost with an answer under way.
fn losses() -> Vec<Case> {
    let part = |len: usize, end: Action| respond(acts([Action::Part { say: Reply::Accepted, len }, end]));
    let repeated = |plan: Plan| in_answer("respond", [acts([Action::Reset]), plan]);
    let refusing: Plan = acts([Action::RefuseConnections(Duration::from_millis(300)), Action::Reset]);
    vec![
        Case::new("response: closed without a reply", respond(acts([Action::Close])), both(3, 3, 2)),
        Case::new("response: reset without a reply", respond(acts([Action::Reset])), both(3, 3, 2)),
        Case::new(
            "response: half closed without a reply",
            respond(acts([Action::HalfClose, Action::Drain])),
            both(3, 3, 2),
        ),
        Case::new("response: reset without a reply, twice", repeated(acts([Action::Reset])), lost(LOST, 3, 3, 3)),
        Case::new(
            "response: reset, and 400 to the second try",
            repeated(Reply::refused(400, "").into()),
            both(3, 3, 2),
        ),
        Case::new(
            "response: reset, and 403 to the second try",
            repeated(Reply::refused(403, "").into()),
            both(3, 3, 2),
        ),
        Case::new(
            "response: reset, and 410 to the second try",
            repeated(Reply::refused(410, "").into()),
            lost("response refused with status 410", 3, 3, 2),
        ),
        Case::new(
            "response: reset, and 500 to the second try",
            repeated(fatal()),
            ended("response refused with status 500", 1, 2, 2),
        ),
        Case::new("response: closed behind the first byte of the reply", part(1, Action::Close), lost(LOST, 3, 2, 2)),
        Case::new("response: reset in the head of the reply", part(20, Action::Reset), lost(LOST, 3, 2, 2)),
        Case::new("response: reset, and nobody listens for 0.3 s", respond(refusing), both(3, 3, 2)),
        Case::new(
            "a large response: reset at its head",
            in_answer("large", [acts([Action::Reset]).when(Trigger::Head)]),
            lost(LOST, 3, 2, 2),
        ),
        Case::new(
            "a large response: reset in its midst",
            in_answer("large", [acts([Action::Reset]).when(Trigger::Body(1_000_000))]),
            lost(LOST, 3, 2, 2),
        ),
        Case::new(
            "a large response: closed without a reply",
            in_answer("large", [acts([Action::Close])]),
            both(3, 3, 2),
        ),
    ]
}

/// Reports in place of responses.
fn reports() -> Vec<Case> {
    let fail = |plan: Plan| in_answer("fail", [plan]);
    let reported = |what: &str, reports: usize, answers: usize, connections: usize| {
        let types = vec!["Function.AskedToFail"; reports].join(", ");
        counted(&format!("{what}, `b` answered, waits, reported {types}"), 3, answers, connections)
    };
    let refused = |status: u16| reported(&format!("`a` lost: error refused with status {status}"), 1, 2, 1);
    vec![
        Case::new("error: 202", fail(Reply::Accepted.into()), reported("`a` answered", 1, 2, 1)),
        Case::new(
            "error: 200 without a body",
            fail(raw("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")),
            reported("`a` answered", 1, 2, 1),
        ),
        Case::new("error: 400", fail(Reply::refused(400, "").into()), refused(400)),
        Case::new("error: 403", fail(Reply::refused(403, "").into()), refused(403)),
        Case::new("error: 410", fail(Reply::refused(410, "").into()), refused(410)),
        Case::new(
            "error: 413",
            fail(Reply::refused(413, "").into()),
            reported("`a` lost: error of 67 bytes refused with status 413", 1, 2, 1),
        ),
        Case::new(
            "error: 500",
            fail(fatal()),
            counted("ends: error refused with status 500, exits with 1, reported Function.AskedToFail", 1, 1, 1),
        ),
        Case::new("error: reset without a reply", fail(acts([Action::Reset])), reported("`a` answered", 2, 3, 2)),
    ]
}

/// Reports of a function that cannot start. Whatever becomes of one, the process ends.
fn starts() -> Vec<Case> {
    let case = |name, plan: Plan, why: &str, answers: usize, connections: usize| {
        let types = vec!["Function.AskedToFail"; answers].join(", ");
        let expected = counted(&format!("ends{why}, exits with 1, reported {types}"), 0, answers, connections);
        Case { handler: Handler::Missing, ..Case::new(name, Script::new().answer(plan), expected) }
    };
    vec![
        case("init error: 202", Reply::Accepted.into(), "", 1, 1),
        case("init error: 403", Reply::refused(403, "").into(), ": init error refused with status 403", 1, 1),
        case("init error: 500", Reply::refused(500, "").into(), ": init error refused with status 500", 1, 1),
        case("init error: reset without a reply", acts([Action::Reset]), "", 2, 2),
        case(
            "init error: garbage",
            raw("garbage\r\n\r\n"),
            ": reply to init error cannot be understood: first line is not HTTP/1",
            1,
            1,
        ),
    ]
}

/// Responses that are sent as they come about.
fn streams() -> Vec<Case> {
    let stream = |event: &str, plan: Plan| in_answer(event, [plan]);
    let early = |say: Reply| stream("stream-large", Plan::new([say.into(), Action::Drain]).when(Trigger::Head));
    vec![
        Case::new("a stream: 202", stream("stream", Reply::Accepted.into()), both(3, 2, 1)),
        Case::new(
            "a stream that fails: 202",
            stream("stream-fail", Reply::Accepted.into()),
            counted("`a` answered, `b` answered, waits, reported Function.AskedToFail", 3, 2, 1),
        ),
        Case::new(
            "a stream: 413",
            stream("stream", Reply::refused(413, "").into()),
            lost("response refused with status 413", 3, 2, 1),
        ),
        Case::new(
            "a stream: 500",
            stream("stream", Reply::refused(500, "").into()),
            ended("response refused with status 500", 1, 1, 1),
        ),
        Case::new("a stream: reset without a reply", stream("stream", acts([Action::Reset])), lost(LOST, 3, 2, 2)),
        Case::new("a stream: closed without a reply", stream("stream", acts([Action::Close])), lost(LOST, 3, 2, 2)),
        Case::new(
            "a large stream: 413 at its head",
            early(Reply::refused(413, "")),
            lost("response refused with status 413", 3, 2, 2),
        ),
        Case::new(
            "a stream of small pieces: 413 at its head, and no more is read",
            stream("stream-small", Plan::new([Reply::refused(413, "").into(), Action::Hold]).when(Trigger::Head)),
            lost("response refused with status 413", 3, 2, 2),
        ),
        Case::new(
            "a large stream: reset at its head",
            stream("stream-large", acts([Action::Reset]).when(Trigger::Head)),
            lost(LOST, 3, 2, 2),
        ),
        Case::new(
            "a large stream: reset in its midst",
            stream("stream-large", acts([Action::Reset]).when(Trigger::Body(1_000_000))),
            lost(LOST, 3, 2, 2),
        ),
    ]
}
