//! Everything about one outcome: what is required, and the bytes of both sides beside what was expected.

use std::fmt::Write as _;

use crate::outcome::{Entry, Origin, Outcome};
use crate::requirement::Requirement;
use crate::show;

/// Characters of the left column.
const LEFT: usize = 46;
/// Characters of the right column.
const RIGHT: usize = 70;

/// The requirement, then message by message what was expected and what came.
#[must_use]
pub fn explain<S>(requirement: &Requirement<S>, outcome: &Outcome) -> String {
    let Requirement { number, title, text, source, severity, .. } = requirement;
    let mut out = format!("{number} ({severity}) {title}\n\n{}\nsource: {source}\n\n", text.trim());
    row(&mut out, "expected, and sent by the kit", "written by the program");
    row(&mut out, &"-".repeat(LEFT), &"-".repeat(RIGHT));
    for entry in &outcome.transcript {
        exchange(&mut out, entry);
    }
    let _ = writeln!(out, "{}: {}", outcome.verdict.word(), outcome.verdict.what());
    if !outcome.output.is_empty() {
        let _ = write!(out, "\noutput of the program:\n{}", outcome.output);
    }
    out
}

fn exchange(out: &mut String, entry: &Entry) {
    let bytes = show::lines(&entry.bytes);
    let header = format!("[connection {}]", entry.connection);
    let (left, right) = match entry.from {
        Origin::Kit => ([vec![format!("{header} the kit sends")], bytes, non_empty(&entry.note)].concat(), Vec::new()),
        Origin::Program => (
            [vec![format!("{header} expected")], entry.expected.clone()].concat(),
            [non_empty(&entry.note), bytes, entry.misses.iter().map(|miss| format!("!! {miss}")).collect()].concat(),
        ),
    };
    let left: Vec<String> = left.iter().flat_map(|line| wrapped(line, LEFT)).collect();
    let right: Vec<String> = right.iter().flat_map(|line| wrapped(line, RIGHT)).collect();
    for at in 0..left.len().max(right.len()) {
        row(out, left.get(at).map_or("", String::as_str), right.get(at).map_or("", String::as_str));
    }
    row(out, "", "");
}

fn row(out: &mut String, left: &str, right: &str) {
    let _ = writeln!(out, "{}", format!("{left:<LEFT$} | {right}").trim_end());
}

fn non_empty(note: &str) -> Vec<String> {
    if note.is_empty() { Vec::new() } else { vec![format!("({note})")] }
}

fn wrapped(line: &str, width: usize) -> Vec<String> {
    let chars: Vec<char> = line.chars().collect();
    if chars.is_empty() {
        return vec![String::new()];
    }
    chars.chunks(width).map(|piece| piece.iter().collect()).collect()
}
