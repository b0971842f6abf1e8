//! What options and variables may be.

use std::env;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use clap::ValueEnum;
use lambwire_emulator::{LogFormat, limits};

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
    /// As `alb`, where the target group has multi-value headers turned on
    AlbMultiValue,
}

/// The form of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}

impl From<Format> for LogFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Text => Self::Text,
            Format::Json => Self::Json,
        }
    }
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

/// An address; a port alone, or one of `localhost`, is of this machine alone.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix("localhost:").unwrap_or(text);
    if let Ok(port) = port.parse() {
        return Ok((Ipv4Addr::LOCALHOST, port).into());
    }
    text.parse().map_err(|_| "neither a port, such as 8080, nor an address with one, such as 127.0.0.1:8080".to_owned())
}

/// A host as `Host` has it, but without its port, which is not looked at. Addresses are taken without being named.
pub(super) fn host(text: &str) -> Result<String, String> {
    let is_host = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    is_host
        .then(|| text.to_owned())
        .ok_or_else(|| "not a name such as lambda, without scheme, port and path".to_owned())
}

/// An origin as browsers write it (RFC 6454, section 6.2): any other would be that of no page.
pub(super) fn origin(text: &str) -> Result<String, String> {
    let is_rest = |byte| matches!(byte, b'/' | b'?' | b'#' | b'@' | b'*' | b'A'..=b'Z') || !byte.is_ascii_graphic();
    let host = text.split_once("://").filter(|(scheme, _)| !scheme.is_empty()).map_or("", |(_, host)| host);
    let is_origin = text == "null" || !host.is_empty() && !host.bytes().any(is_rest);
    let not =
        "not an origin as browsers write it, such as https://example.com or http://localhost:3000, without a path";
    is_origin.then(|| text.to_owned()).ok_or_else(|| not.to_owned())
}

pub(super) fn memory(text: &str) -> Result<u32, String> {
    let memory = text.parse().ok().filter(|memory| (MIN_MEMORY_MB..=MAX_MEMORY_MB).contains(memory));
    memory.ok_or_else(|| format!("not a number of MB from {MIN_MEMORY_MB} to {MAX_MEMORY_MB}, without the unit"))
}

/// What a function may have, in MB (AWS, "Configure Lambda function memory").
const MIN_MEMORY_MB: u32 = 128;
const MAX_MEMORY_MB: u32 = 10_240;

pub(super) fn concurrency(text: &str) -> Result<usize, String> {
    number(text, 1..=limits::CONCURRENCY)
}

pub(super) fn environments(text: &str) -> Result<usize, String> {
    number(text, 1..=limits::ENVIRONMENTS)
}

/// With 0, every caller is throttled, as on AWS.
pub(super) fn reserved(text: &str) -> Result<usize, String> {
    number(text, 0..=limits::CALLERS)
}

fn number(text: &str, taken: RangeInclusive<usize>) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| taken.contains(number));
    number.ok_or_else(|| format!("not a number from {} to {}", taken.start(), taken.end()))
}

pub(super) fn timeout(text: &str) -> Result<Timeout, String> {
    if text == "off" {
        return Ok(Timeout::Off);
    }
    let time = up_to(text, limits::MANAGED_TIMEOUT).map_err(|error| {
        let most = limits::MAX_TIMEOUT.as_secs();
        format!("{error} ({most} without --concurrency), nor `off`")
    })?;
    Ok(Timeout::After(time))
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
    fn reserved_concurrency_is_from_0_to_the_limit() {
        for (text, number) in [("0", 0), ("9999", 9_999), ("10000", 10_000)] {
            assert_eq!(reserved(text), Ok(number));
        }
        for odd in ["10001", "-1", "", "x", "1.5"] {
            assert_eq!(reserved(odd), Err("not a number from 0 to 10000".to_owned()), "{odd}");
        }
    }

    #[test]
    fn an_address_may_be_a_port_of_this_machine() {
        for (text, expected) in [
            ("8080", "127.0.0.1:8080"),
            ("0", "127.0.0.1:0"),
            ("localhost:65535", "127.0.0.1:65535"),
            ("0.0.0.0:1", "0.0.0.0:1"),
            ("[::1]:1", "[::1]:1"),
        ] {
            assert_eq!(address(text), Ok(expected.parse().unwrap()));
        }
        for odd in ["", ":8080", "localhost", "localhost:", "65536", "-1", "127.0.0.1", "host:1"] {
            assert!(address(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn what_no_host_and_no_origin_of_a_browser_can_be_is_refused() {
        for name in ["lambda", "Lambda.local", "a_b-1"] {
            assert_eq!(host(name), Ok(name.to_owned()));
        }
        for odd in ["", "*", "lambda:8080", "http://lambda", "lambda/", "a b", "l\u{e4}mbda"] {
            assert!(host(odd).is_err(), "{odd}");
        }
        for own in ["https://example.com", "http://localhost:3000", "http://[::1]:1", "app-1://x", "null"] {
            assert_eq!(origin(own), Ok(own.to_owned()));
        }
        for odd in ["", "*", "example.com", "https://", "://a", "https://a/", "https://a/b", "https://A", "https://a?b"]
        {
            assert!(origin(odd).is_err(), "{odd}");
        }
        for odd in ["https://a#b", "https://b@a", "https://*.a", "https://a b", "https://\u{e4}"] {
            assert!(origin(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn memory_at_the_limits_passes_and_a_megabyte_beyond_does_not() {
        for (text, taken) in [("127", false), ("128", true), ("129", true), ("10239", true), ("10240", true)] {
            assert_eq!(memory(text).is_ok(), taken, "{text}");
        }
        for odd in ["10241", "512MB", "-1", ""] {
            assert!(memory(odd).is_err(), "{odd}");
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
