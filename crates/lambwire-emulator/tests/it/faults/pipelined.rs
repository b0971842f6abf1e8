//! Faults that meet the second `next`, which `serve` has pipelined.

use std::time::Duration;

use lambwire::limits::PAYLOAD_BYTES;
use lambwire_emulator::fault::{Action, Plan, Reply, Script};

use super::{Case, acts, answers::LOST, both, counted, in_answer, raw};

pub(super) fn cases() -> Vec<Case> {
    [replies(), events(), losses(), disorder()].into_iter().flatten().collect()
}

/// The second `next` meets something wrong, and all is well afterwards.
fn second(plans: impl IntoIterator<Item = Plan>) -> Script {
    let mut script = Script::new().next(Reply::invocation("a", "respond"));
    script.to_next.extend(plans);
    script.next(Reply::invocation("b", "respond"))
}

/// The loop ends with the second `next`.
fn ended(why: &str, asks: usize, connections: usize) -> String {
    counted(&format!("`a` answered, ends: {why}, exits with 1"), asks, 1, connections)
}

/// Replies that bring no invocation.
fn replies() -> Vec<Case> {
    let transition = br#"{"errorMessage":"State transition","errorType":"InvalidStateTransition"}"#;
    vec![
        Case::new("second next: 204", second([Reply::NothingYet.into()]), both(4, 2, 1)),
        Case::new("second next: 204, five times", second([(); 5].map(|()| Reply::NothingYet.into())), both(8, 2, 1)),
        Case::new("second next: 408 with a body", second([Reply::refused(408, "{}").into()]), both(4, 2, 1)),
        Case::new(
            "second next: 403 with a reason",
            second([Reply::refused(403, transition).into()]),
            ended("next refused with status 403: State transition (InvalidStateTransition)", 2, 1),
        ),
        Case::new(
            "second next: 500",
            second([Reply::refused(500, "").into()]),
            ended("next refused with status 500", 2, 1),
        ),
        Case::new("second next: silence", second([acts([Action::Silence])]), counted("`a` answered, waits", 2, 1, 1)),
        Case::new(
            "second next: garbage",
            second([raw("garbage\r\n\r\n")]),
            ended("reply to next cannot be understood: first line is not HTTP/1", 2, 1),
        ),
        Case::new(
            "second next: no request id",
            second([raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")]),
            ended("reply to next cannot be understood: invocation without a request id", 2, 1),
        ),
    ]
}

/// Invocations that come oddly.
fn events() -> Vec<Case> {
    let script = |say: Reply| Script::new().next(Reply::invocation("a", "respond")).next(say);
    let event = |len: u64| [&b"respond"[..], &vec![b' '; usize::try_from(len).unwrap() - 7]].concat();
    let chunked = Reply::Invocation { id: "b".to_owned(), event: event(PAYLOAD_BYTES), chunk: Some(65_536) };
    vec![
        Case::new("second event: as large as any", script(Reply::invocation("b", event(PAYLOAD_BYTES))), both(3, 2, 1)),
        Case::new("second event: as large as any, in chunks", script(chunked), both(3, 2, 1)),
        Case::new(
            "second event: of 7 MB",
            script(Reply::invocation("b", event(7_000_000))),
            counted("`a` answered, waits, reported Function.EventTooLarge", 3, 2, 2),
        ),
        Case::new(
            "second event: in segments of one byte",
            Script::new().next(Reply::invocation("a", "respond")).next(acts([Action::Pieces {
                say: Reply::invocation("b", "respond"),
                len: 1,
                pause: Duration::ZERO,
            }])),
            both(3, 2, 1),
        ),
    ]
}

/// Connections that are lost with the second `next` under way.
fn losses() -> Vec<Case> {
    let part = |len: usize, end: Action| {
        let say = Reply::invocation("b", " ".repeat(500));
        second([acts([Action::Part { say, len }, end])])
    };
    let often = |count: usize| second((0..count).map(|_| acts([Action::Close])));
    vec![
        Case::new("second next: closed without a reply", often(1), both(4, 2, 2)),
        Case::new("second next: reset without a reply", second([acts([Action::Reset])]), both(4, 2, 2)),
        Case::new(
            "second next: half closed without a reply",
            second([acts([Action::HalfClose, Action::Drain])]),
            both(4, 2, 2),
        ),
        Case::new("second next: closed behind the first byte", part(1, Action::Close), both(4, 2, 2)),
        Case::new("second next: reset in the head", part(40, Action::Reset), both(4, 2, 2)),
        Case::new("second next: closed in the event", part(400, Action::Close), both(4, 2, 2)),
        Case::new("second next: closed without a reply, six times", often(6), both(9, 2, 7)),
        Case::new("second next: closed without a reply, seven times", often(7), ended(LOST, 8, 7)),
        Case::new(
            "second next: closed, and nobody listens any more",
            second([acts([Action::RefuseConnections(Duration::from_secs(60)), Action::Close])]),
            ended(LOST, 2, 1),
        ),
    ]
}

/// Replies to an answer that meet the `next` behind it.
fn disorder() -> Vec<Case> {
    let swapped = "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: b\r\nContent-Length: 7\r\n\r\nrespond";
    vec![
        Case::new(
            "response: 413 that closes",
            in_answer("respond", [acts([Reply::refused(413, "").into(), Action::Close])]),
            counted("`a` lost: response of 2 bytes refused with status 413, `b` answered, waits", 3, 2, 2),
        ),
        Case::new(
            "the replies to an answer and to next, the one in place of the other",
            Script::new().next(Reply::invocation("a", "respond")).next(Reply::Accepted).answer(Reply::raw(swapped)),
            ended("next refused with status 202", 2, 1),
        ),
    ]
}
