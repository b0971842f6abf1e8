//! Medians of runs that took turns, as Markdown.

use crate::measure::median;
use crate::server::Outcome;
use crate::subjects::{PEER, Subject};

/// One figure of each run, or its ratio to that of another subject in the same round.
pub struct Column {
    pub title: &'static str,
    pub of: fn(&Outcome) -> f64,
    pub shown: Shown,
}

pub enum Shown {
    Value { decimals: usize },
    ToFloor,
    ToPeer,
}

pub const fn value(title: &'static str, decimals: usize, of: fn(&Outcome) -> f64) -> Column {
    Column { title, of, shown: Shown::Value { decimals } }
}

pub const fn to_floor(title: &'static str, of: fn(&Outcome) -> f64) -> Column {
    Column { title, of, shown: Shown::ToFloor }
}

pub const fn to_peer(title: &'static str, of: fn(&Outcome) -> f64) -> Column {
    Column { title, of, shown: Shown::ToPeer }
}

/// Prints a line a subject. `rounds` has the outcomes of all subjects, once for each round.
pub fn print(subjects: &[Subject], columns: &[Column], rounds: &[Vec<Outcome>]) {
    let titles = columns.iter().map(|column| column.title).collect::<Vec<_>>();
    println!("| | {} |\n|---|{}", titles.join(" | "), "---:|".repeat(columns.len()));
    let peer = subjects.iter().position(|subject| subject.name == PEER).unwrap_or(0);
    for (index, subject) in subjects.iter().enumerate() {
        let cells = columns.iter().map(|Column { of, shown, .. }| {
            let against = |other: usize| median(rounds.iter().map(|round| of(&round[index]) / of(&round[other])));
            match shown {
                Shown::Value { decimals } => {
                    format!("{:.decimals$}", median(rounds.iter().map(|round| of(&round[index]))))
                }
                Shown::ToFloor => format!("{:.2}", against(0)),
                Shown::ToPeer => format!("{:.2}", against(peer)),
            }
        });
        println!("| {} | {} |", subject.name, cells.collect::<Vec<_>>().join(" | "));
    }
    println!();
}
