//! What a runtime does on each status, row by row, and the cases that show it.

use super::subject::{Handler, Way};
use super::{Case, cases};

/// A row: what came of a request, what a loop does then, and by which cases it is known.
struct Row {
    to: &'static str,
    status: &'static str,
    does: &'static str,
    /// What is expected of every case of this row says so.
    says: fn(&str) -> bool,
    cases: &'static [&'static str],
}

const ROWS: &[Row] = &[
    Row {
        to: "next",
        status: "200",
        does: "handles it",
        says: |did| did.starts_with("`a` answered, ") && did.contains("waits; "),
        cases: &["an invocation, without a fault", "second event: in segments of one byte"],
    },
    Row {
        to: "next",
        status: "204",
        does: "asks again, after a pause",
        says: |did| did.starts_with("`a` answered, ") && did.contains("waits; ") && did.ends_with(" 1 × connection"),
        cases: &["next: 204", "next: 204, five times", "second next: 204", "second next: 204, five times"],
    },
    Row {
        to: "next",
        status: "4xx",
        does: "gives up with a named error",
        says: |did| did.contains("ends: next refused with status 4") && did.contains("exits with 1; "),
        cases: &[
            "next: 400",
            "next: 403 with a reason",
            "next: 404 with plain text",
            "next: 429",
            "second next: 403 with a reason",
        ],
    },
    Row {
        to: "next",
        status: "500 and other 5xx",
        does: "exits promptly",
        says: |did| did.contains("ends: next refused with status 50") && did.contains("exits with 1; "),
        cases: &["next: 500 with a reason", "next: 500 without a body", "next: 503", "second next: 500"],
    },
    Row {
        to: "response, error",
        status: "202, 200",
        does: "goes on",
        says: |did| did.starts_with("`a` answered, `b` answered, waits") && did.contains("; 3 × next, 2 × answer, "),
        cases: &["response: 202", "response: 200 without a body", "error: 202", "error: 200 without a body"],
    },
    Row {
        to: "response, error",
        status: "413",
        does: "says so with the size, goes on, and never reports an error in its place",
        says: |did| {
            let (is_sized, is_said) = (did.contains(" bytes refused with status 413, "), goes_on_without(did));
            is_sized && is_said && did.contains("; 3 × next, 2 × answer, ")
        },
        cases: &[
            "response: 413",
            "response: 413 that closes",
            "error: 413",
            "a large response: 413 at its head",
            "a large response: 413 in its midst",
        ],
    },
    Row {
        to: "a streamed response, whose size is not known before",
        status: "413",
        does: "says so, goes on, and never reports an error in its place",
        says: |did| did.contains(" refused with status 413, ") && goes_on_without(did) && did.contains(" 2 × answer, "),
        cases: &[
            "a stream: 413",
            "a large stream: 413 at its head",
            "a stream of small pieces: 413 at its head, and no more is read",
        ],
    },
    Row {
        to: "response, error",
        status: "400, 403, 410",
        does: "says so, goes on",
        says: |did| did.contains(" refused with status 4") && goes_on_without(did),
        cases: &[
            "response: 400 with a reason",
            "response: 403",
            "response: 410",
            "error: 400",
            "error: 403",
            "error: 410",
        ],
    },
    Row {
        to: "response, error",
        status: "500 and other 5xx",
        does: "exits promptly",
        says: |did| {
            did.starts_with("ends: ") && did.contains(" refused with status 50") && did.contains("exits with 1")
        },
        cases: &["response: 500", "response: 503 that closes", "error: 500", "a stream: 500"],
    },
    Row {
        to: "any",
        status: "connection lost while idle",
        does: "connects again",
        says: |did| did.starts_with("`a` answered, ") && did.contains("waits; ") && !did.ends_with(" 1 × connection"),
        cases: &[
            "next: closed without a reply",
            "next: reset without a reply",
            "closed behind a 202",
            "reset behind a 202",
            "closed behind an invocation",
            "second next: closed without a reply",
            "second next: reset without a reply",
        ],
    },
    Row {
        to: "any",
        status: "connection lost while idle, time and again",
        does: "connects again with longer and longer pauses, six times in all",
        says: |did| {
            did.ends_with(" 7 × connection") && did.contains("waits; ") != did.contains("ends: connection lost")
        },
        cases: &[
            "next: closed without a reply, six times",
            "next: closed without a reply, seven times",
            "second next: closed without a reply, six times",
            "second next: closed without a reply, seven times",
        ],
    },
    Row {
        to: "any",
        status: "connection lost with a response half sent",
        does: "connects again, asks, and tells of the loss",
        says: |did| goes_on_without(did) && did.contains("lost: connection lost") && did.ends_with(" 2 × connection"),
        cases: &[
            "a large response: reset at its head",
            "a large response: reset in its midst",
            "a large stream: reset at its head",
            "a large stream: reset in its midst",
        ],
    },
];

/// The first invocation is reported as lost, and the second is answered.
fn goes_on_without(did: &str) -> bool {
    did.starts_with("`a` lost: ") && did.contains(", `b` answered, waits")
}

/// Why a process may end, but for one that could not start: a row says so, or what came in reply to `next` cannot be
/// read.
const ENDS: &[&str] = &[
    "next refused with status ",
    "response refused with status 5",
    "error refused with status 5",
    "connection lost, ",
    "reply to next cannot be understood: ",
];

/// The rows as Markdown.
pub(super) fn table() -> String {
    let line = |row: &Row| {
        let cases = row.cases.join("; ");
        format!("| {} | {} | {} | {cases} |\n", row.to, row.status, row.does)
    };
    let lines: String = ROWS.iter().map(line).collect();
    format!("| to | status | what the loop does | shown by |\n|---|---|---|---|\n{lines}")
}

#[test]
fn every_row_of_the_status_table_is_shown_by_cases() {
    let cases = cases();
    for Row { to, status, says, cases: names, .. } in ROWS {
        assert!(!names.is_empty(), "{to}, {status}: nothing shows it");
        for name in *names {
            let case = cases.iter().find(|case| case.name == *name);
            let case = case.unwrap_or_else(|| panic!("{to}, {status}: there is no case '{name}'"));
            for way in [Way::Loop, Way::Serve] {
                let did = case.expected(way);
                assert!(says(did), "{to}, {status}: '{name}' does not show it by {way:?}: {did}");
            }
        }
    }
}

#[test]
fn a_process_ends_only_where_the_status_table_says_so() {
    let may_end = |case: &Case, did: &str| {
        let why = did.split_once("ends: ").map(|(_, why)| why);
        let is_named = |why: &str| ENDS.iter().any(|end| why.starts_with(end));
        case.handler == Handler::Missing || why.map_or(did.contains("waits"), is_named)
    };
    for case in cases() {
        for way in [Way::Loop, Way::Serve] {
            let did = case.expected(way);
            assert!(may_end(&case, did), "{}: {did}", case.name);
        }
    }
}
