//! Pages that somebody else has written may not call functions on this machine.

use std::net::IpAddr;

use hyper::header::{HOST, HeaderMap, ORIGIN};

use super::reply::Exception;

/// Refuses what a browser sends for a page of another origin, and a name that may have been made to lead here (DNS
/// rebinding). Programs that are no browsers send neither.
pub(super) fn check(headers: &HeaderMap) -> Result<(), Exception> {
    let text = |name| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    if text(hyper::header::HeaderName::from_static("sec-fetch-site")).is_some_and(|site| site == "cross-site") {
        return Err(Exception::Foreign("the page of another site asks".to_owned()));
    }
    let Some(origin) = text(ORIGIN) else { return Ok(()) };
    let host = origin.split_once("://").map_or("", |(_, host)| host);
    let is_own = text(HOST).is_some_and(|own| own == host) && is_local(host);
    if is_own { Ok(()) } else { Err(Exception::Foreign(format!("origin {origin} is another"))) }
}

/// Whether a host with or without a port is an address, or this machine by name.
fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || address.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_taken(headers: &[(&'static str, &'static str)]) -> bool {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        check(&headers).is_ok()
    }

    #[test]
    fn pages_of_others_are_refused_and_programs_are_not() {
        assert!(is_taken(&[("host", "anything")]));
        assert!(is_taken(&[("host", "localhost:8080"), ("origin", "http://localhost:8080")]));
        assert!(is_taken(&[
            ("host", "[::1]:8080"),
            ("origin", "http://[::1]:8080"),
            ("sec-fetch-site", "same-origin")
        ]));
        assert!(!is_taken(&[("host", "localhost:8080"), ("origin", "https://example.com")]));
        assert!(!is_taken(&[("host", "localhost:8080"), ("origin", "null")]));
        assert!(!is_taken(&[("host", "evil.example:8080"), ("origin", "http://evil.example:8080")]));
        assert!(!is_taken(&[("host", "localhost:8080"), ("sec-fetch-site", "cross-site")]));
    }
}
