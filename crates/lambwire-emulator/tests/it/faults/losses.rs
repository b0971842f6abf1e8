//! Connections that are lost while the runtime asks, or between requests.

use std::time::Duration;

use lambwire_emulator::fault::{Action, Plan, Reply, Script};

use super::{Case, acts, answered, both, counted, ended, in_answer, in_next};

const LOST: &str = "connection lost";

pub(super) fn cases() -> Vec<Case> {
    [in_reply(), between(), refusing()].into_iter().flatten().collect()
}

/// The connection ends before or in the reply to `next`.
fn in_reply() -> Vec<Case> {
    let good = || Reply::invocation("a", "respond");
    let part = |len: usize, end: Action| in_next([acts([Action::Part { say: good(), len }, end])]);
    let often = |count: usize| in_next((0..count).map(|_| acts([Action::Close])));
    vec![
        Case::new("next: closed without a reply", in_next([acts([Action::Close])]), answered(3, 1, 2)),
        Case::new("next: reset without a reply", in_next([acts([Action::Reset])]), answered(3, 1, 2)),
        Case::new(
            "next: half closed without a reply",
            in_next([acts([Action::HalfClose, Action::Drain])]),
            answered(3, 1, 2),
        ),
        Case::new("next: closed behind the first byte", part(1, Action::Close), answered(3, 1, 2)),
        Case::new("next: reset in the first line", part(12, Action::Reset), answered(3, 1, 2)),
        Case::new("next: reset in the head", part(40, Action::Reset), answered(3, 1, 2)),
        Case::new("next: closed in the head", part(40, Action::Close), answered(3, 1, 2)),
        Case::new("next: half closed in the head", part(40, Action::HalfClose), answered(3, 1, 2)),
        Case::new(
            "next: closed in the event",
            in_next([acts([Action::Part { say: Reply::invocation("a", " ".repeat(500)), len: 400 }, Action::Close])]),
            answered(3, 1, 2),
        ),
        Case::new(
            "next: reset in the event",
            in_next([acts([Action::Part { say: Reply::invocation("a", " ".repeat(500)), len: 400 }, Action::Reset])]),
            answered(3, 1, 2),
        ),
        Case::new("next: closed without a reply, six times", often(6), answered(8, 1, 7)),
        Case::new("next: closed without a reply, seven times", often(7), ended(LOST, 7, 0, 7)),
    ]
}

/// The connection ends, or says too much, while nothing is asked for.
fn between() -> Vec<Case> {
    let good = || -> Action { Reply::invocation("a", "respond").into() };
    let accepted = "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";
    let then = |end: Action| in_answer("respond", [acts([Reply::Accepted.into(), end, Action::Drain])]);
    // What stands behind the 202 is the reply to the pipelined `next`.
    let ended_ahead = |why: &str| counted(&format!("`a` answered, ends: {why}, exits with 1"), 1, 1, 1);
    let twice = || {
        let reply = "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: a\r\nContent-Length: 7\r\n\r\nrespond";
        Script::new().next(Reply::raw(reply.repeat(2)))
    };
    let behind = |bytes: &str| {
        let reply = "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: a\r\nContent-Length: 7\r\n\r\nrespond";
        Script::new().next(Reply::raw([reply, bytes].concat()))
    };
    vec![
        Case::new("closed behind a 202", then(Action::Close), both(3, 2, 2)),
        Case::new("reset behind a 202", then(Action::Reset), both(3, 2, 2)),
        Case::new("half closed behind a 202", then(Action::HalfClose), both(3, 2, 2)),
        Case::new("closed behind an invocation", Script::new().next(acts([good(), Action::Close])), answered(2, 1, 2)),
        Case::new("reset behind an invocation", Script::new().next(acts([good(), Action::Reset])), answered(2, 1, 2)),
        Case::new("garbage behind an invocation", behind("garbage"), answered(2, 1, 2)),
        Case::new("an empty line behind an invocation", behind("\r\n"), answered(2, 1, 2)),
        Case::new("an invocation twice in one reply", twice(), answered(2, 1, 2)),
        Case::new(
            "a 202 that nobody asked for behind a 202",
            in_answer("respond", [acts([Reply::raw(accepted.repeat(2)).into(), Action::Drain])]),
            both(3, 2, 2),
        )
        .serve(ended_ahead("next refused with status 202")),
        Case::new(
            "garbage behind a 202",
            in_answer("respond", [acts([Reply::raw([accepted, "garbage\r\n\r\n"].concat()).into(), Action::Drain])]),
            both(3, 2, 2),
        )
        .serve(ended_ahead("reply to next cannot be understood: first line is not HTTP/1")),
        Case::new(
            "the same invocation for two requests",
            Script::new().next(acts([good()])).next(acts([good()])),
            counted("`a` answered, `a` answered, waits", 3, 2, 1),
        ),
    ]
}

/// Nobody listens for a while.
fn refusing() -> Vec<Case> {
    let for_ms = |ms: u64| Action::RefuseConnections(Duration::from_millis(ms));
    let in_next_for = |ms: u64| in_next([acts([for_ms(ms), Action::Close])]);
    let restarting: Plan = acts([Reply::Accepted.into(), for_ms(300), Action::Close]);
    vec![
        Case::new(
            "nobody listens at first",
            Script::new().refuse_connections(Duration::from_secs(60)),
            ended(LOST, 0, 0, 0),
        ),
        Case::new("next: closed, and nobody listens for 0.3 s", in_next_for(300), answered(3, 1, 2)),
        Case::new("next: closed, and nobody listens any more", in_next_for(60_000), ended(LOST, 1, 0, 1)),
        Case::new(
            "closed behind a 202, and nobody listens for 0.3 s",
            in_answer("respond", [restarting]),
            both(3, 2, 2),
        ),
    ]
}
