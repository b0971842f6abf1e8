//! Connections that are lost while the runtime asks, or between requests.

use std::time::Duration;

use lambwire_emulator::fault::{Act, Plan, Say, Script};

use super::{Case, acts, answered, both, counted, ended, in_answer, in_next};

const LOST: &str = "connection lost";

pub(super) fn cases() -> Vec<Case> {
    [in_reply(), between(), deaf()].into_iter().flatten().collect()
}

/// The connection ends before or in the reply to `next`.
fn in_reply() -> Vec<Case> {
    let good = || Say::invocation("a", "respond");
    let part = |len: usize, end: Act| in_next([acts([Act::Part { say: good(), len }, end])]);
    let often = |count: usize| in_next((0..count).map(|_| acts([Act::Close])));
    vec![
        Case::new("next: closed without a reply", in_next([acts([Act::Close])]), answered(3, 1, 2)),
        Case::new("next: reset without a reply", in_next([acts([Act::Reset])]), answered(3, 1, 2)),
        Case::new(
            "next: half closed without a reply",
            in_next([acts([Act::HalfClose, Act::Drain])]),
            answered(3, 1, 2),
        ),
        Case::new("next: closed behind the first byte", part(1, Act::Close), answered(3, 1, 2)),
        Case::new("next: reset in the first line", part(12, Act::Reset), answered(3, 1, 2)),
        Case::new("next: reset in the head", part(40, Act::Reset), answered(3, 1, 2)),
        Case::new("next: closed in the head", part(40, Act::Close), answered(3, 1, 2)),
        Case::new("next: half closed in the head", part(40, Act::HalfClose), answered(3, 1, 2)),
        Case::new(
            "next: closed in the event",
            in_next([acts([Act::Part { say: Say::invocation("a", " ".repeat(500)), len: 400 }, Act::Close])]),
            answered(3, 1, 2),
        ),
        Case::new(
            "next: reset in the event",
            in_next([acts([Act::Part { say: Say::invocation("a", " ".repeat(500)), len: 400 }, Act::Reset])]),
            answered(3, 1, 2),
        ),
        Case::new("next: closed without a reply, six times", often(6), answered(8, 1, 7)),
        Case::new("next: closed without a reply, seven times", often(7), ended(LOST, 7, 0, 7)),
    ]
}

/// The connection ends, or says too much, while nothing is asked for.
fn between() -> Vec<Case> {
    let good = || -> Act { Say::invocation("a", "respond").into() };
    let accepted = "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";
    let then = |end: Act| in_answer("respond", [acts([Say::Accepted.into(), end, Act::Drain])]);
    // What stands behind the 202 is the reply to what was asked ahead.
    let ended_ahead = |why: &str| counted(&format!("`a` answered, ends: {why}, exits with 1"), 1, 1, 1);
    let twice = || {
        let reply = "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: a\r\nContent-Length: 7\r\n\r\nrespond";
        Script::new().next(Say::raw(reply.repeat(2)))
    };
    let behind = |bytes: &str| {
        let reply = "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: a\r\nContent-Length: 7\r\n\r\nrespond";
        Script::new().next(Say::raw([reply, bytes].concat()))
    };
    vec![
        Case::new("closed behind a 202", then(Act::Close), both(3, 2, 2)),
        Case::new("reset behind a 202", then(Act::Reset), both(3, 2, 2)),
        Case::new("half closed behind a 202", then(Act::HalfClose), both(3, 2, 2)),
        Case::new("closed behind an invocation", Script::new().next(acts([good(), Act::Close])), answered(2, 1, 2)),
        Case::new("reset behind an invocation", Script::new().next(acts([good(), Act::Reset])), answered(2, 1, 2)),
        Case::new("garbage behind an invocation", behind("garbage"), answered(2, 1, 2)),
        Case::new("an empty line behind an invocation", behind("\r\n"), answered(2, 1, 2)),
        Case::new("an invocation twice in one reply", twice(), answered(2, 1, 2)),
        Case::new(
            "a 202 that nobody asked for behind a 202",
            in_answer("respond", [acts([Say::raw(accepted.repeat(2)).into(), Act::Drain])]),
            both(3, 2, 2),
        )
        .serve(ended_ahead("next refused with status 202")),
        Case::new(
            "garbage behind a 202",
            in_answer("respond", [acts([Say::raw([accepted, "garbage\r\n\r\n"].concat()).into(), Act::Drain])]),
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
fn deaf() -> Vec<Case> {
    let for_ms = |ms: u64| Act::Deaf(Duration::from_millis(ms));
    let in_next_for = |ms: u64| in_next([acts([for_ms(ms), Act::Close])]);
    let restarting: Plan = acts([Say::Accepted.into(), for_ms(300), Act::Close]);
    vec![
        Case::new("nobody listens at first", Script::new().deaf(Duration::from_secs(60)), ended(LOST, 0, 0, 0)),
        Case::new("next: closed, and nobody listens for 0.3 s", in_next_for(300), answered(3, 1, 2)),
        Case::new("next: closed, and nobody listens any more", in_next_for(60_000), ended(LOST, 1, 0, 1)),
        Case::new(
            "closed behind a 202, and nobody listens for 0.3 s",
            in_answer("respond", [restarting]),
            both(3, 2, 2),
        ),
    ]
}
