//! What options and variables may be.

use std::env;
use std::time::Duration;

use clap::ValueEnum;
use lambwire_emulator::limits;

/// How long an invocation may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timeout {
    After(Duration),
    Off,
}

/// When a program is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Begin {
    /// With the emulator
    Now,
    /// When the first caller comes
    Call,
}

/// The form of events that plain HTTP becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    #[value(name = "2.0")]
    V2,
    #[value(name = "1.0")]
    V1,
    Alb,
}

/// The form of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}

/// What stands still while there is nothing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Frozen {
    /// All processes of the program
    Processes,
    /// They, and they lose their connections
    Connections,
}

/// A variable with which AWS's emulator is configured; an empty one is as good as none.
pub(super) fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

pub(super) fn read_variable<T>(name: &str, read: fn(&str) -> Result<T, String>) -> Result<Option<T>, String> {
    variable(name).map(|value| read(&value).map_err(|error| format!("{name} is {value:?}, {error}"))).transpose()
}

pub(super) fn concurrency(text: &str) -> Result<usize, String> {
    number(text, limits::CONCURRENCY)
}

pub(super) fn environments(text: &str) -> Result<usize, String> {
    number(text, limits::ENVIRONMENTS)
}

fn number(text: &str, most: usize) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| format!("not a number from 1 to {most}"))
}

pub(super) fn timeout(text: &str) -> Result<Timeout, String> {
    if text == "off" { Ok(Timeout::Off) } else { up_to(text, limits::MANAGED_TIMEOUT).map(Timeout::After) }
}

pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    up_to(text, limits::MAX_TIMEOUT)
}

fn up_to(text: &str, most: Duration) -> Result<Duration, String> {
    text.parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|duration| !duration.is_zero() && *duration <= most)
        .ok_or_else(|| format!("not a number of seconds above 0 and up to {}", most.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_at_the_limit_passes_and_a_second_more_does_not() {
        assert_eq!(seconds("899"), Ok(Duration::from_secs(899)));
        assert_eq!(seconds("900"), Ok(limits::MAX_TIMEOUT));
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for odd in ["901", "0", "-1", "NaN", "inf", "1e300", "", "3s"] {
            assert!(seconds(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn a_timeout_of_managed_instances_at_the_limit_passes_and_a_second_more_does_not() {
        for (text, taken) in [("5399", true), ("5400", true), ("5401", false)] {
            assert_eq!(timeout(text).is_ok(), taken, "{text}");
        }
    }

    #[test]
    fn a_concurrency_at_the_limit_passes_and_one_more_does_not() {
        let most = limits::CONCURRENCY;
        for (text, taken) in [("0", false), ("1", true), ("", false), ("x", false), ("-1", false)] {
            assert_eq!(concurrency(text).is_ok(), taken, "{text}");
        }
        for number in [most - 1, most, most + 1] {
            assert_eq!(concurrency(&number.to_string()).is_ok(), number <= most);
        }
    }
}
