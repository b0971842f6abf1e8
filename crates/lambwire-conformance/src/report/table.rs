//! The table at the end, and the list of requirements.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::outcome::{Outcome, Verdict};
use crate::requirement::{Severity, Suite};

/// A line a suite, then one for each requirement that does not hold.
#[must_use]
pub fn table(outcomes: &[Outcome]) -> String {
    let mut suites: BTreeMap<(u32, &str), Vec<&Outcome>> = BTreeMap::new();
    for outcome in outcomes {
        suites.entry((outcome.suite.0, &outcome.suite.1)).or_default().push(outcome);
    }
    let mut out = format!("{:<34} {:>9} {:>9} {:>9} {:>8}\n", "suite", "must", "should", "survives", "skipped");
    let mut rows: Vec<(String, Vec<&Outcome>)> =
        suites.into_iter().map(|((number, title), of)| (format!("{number} {title}"), of)).collect();
    rows.push(("all".into(), outcomes.iter().collect()));
    for (name, of) in rows {
        let cell = |severity| {
            let tried: Vec<_> = of.iter().filter(|o| o.severity == severity && !is_skipped(o)).collect();
            let held = tried.iter().filter(|o| o.verdict == Verdict::Held).count();
            if tried.is_empty() { "-".to_owned() } else { format!("{held}/{}", tried.len()) }
        };
        let skipped = of.iter().filter(|o| is_skipped(o)).count();
        let cells = [Severity::Must, Severity::Should, Severity::Survives].map(cell);
        let [must, should, survives] = cells;
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{name:<34} {must:>9} {should:>9} {survives:>9} {skipped:>8}");
    }
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for outcome in outcomes.iter().filter(|outcome| is_skipped(outcome)) {
        *reasons.entry(outcome.verdict.what()).or_default() += 1;
    }
    for (reason, count) in reasons {
        let _ = writeln!(out, "{count} skipped: {reason}");
    }
    for outcome in outcomes.iter().filter(|outcome| outcome.verdict.failed()) {
        let Outcome { number, title, severity, verdict, .. } = outcome;
        let _ = write!(out, "\n{number} ({severity}) {title}\n      {}: {}\n", verdict.word(), verdict.what());
    }
    out
}

/// A line a requirement.
#[must_use]
pub fn list<S>(suites: &[Suite<S>]) -> String {
    let mut out = String::new();
    for suite in suites {
        let odd = if suite.valid { "" } else { " (the other end is at fault)" };
        let _ = writeln!(out, "{} {}{odd}: {}", suite.number, suite.title, suite.about);
        for requirement in &suite.requirements {
            let severity = requirement.severity.to_string();
            let _ = writeln!(out, "  {:<6} {severity:<8}  {}", requirement.number, requirement.title);
        }
    }
    out
}

fn is_skipped(outcome: &Outcome) -> bool {
    matches!(outcome.verdict, Verdict::Skipped(_))
}
