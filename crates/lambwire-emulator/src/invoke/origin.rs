//! Pages that somebody else has written may not call functions on this machine.

use std::borrow::Cow;
use std::net::IpAddr;

use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN, VARY,
};
use hyper::{Method, StatusCode};

use super::headers::first;
use super::reply::{self, Exception, Reply};

/// Who may call beside programs and pages of this machine.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate {
    /// Names by which this machine may be called, without ports.
    pub(crate) hosts: Vec<String>,
    /// Origins whose pages may call, as browsers write them.
    pub(crate) origins: Vec<String>,
    /// Whether any name will do, as long as no browser says whose page it is: others than this machine may call.
    pub(crate) is_public: bool,
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

impl Gate {
    /// Refuses any name that is not known, even where others may call: the page is for eyes.
    pub(super) fn check_page(&self, headers: &HeaderMap) -> Result<(), Exception> {
        Self { is_public: false, ..self.clone() }.check(headers)
    }

    /// Refuses a name that may have been made to lead here (DNS rebinding). Returns whether it is known to be one of this
    /// machine.
    pub(super) fn check_host(&self, headers: &HeaderMap) -> Result<bool, Exception> {
        let host = text(headers, &HOST).unwrap_or_default();
        let is_known = host.is_empty() || self.is_own(&host);
        if is_known || self.is_public {
            return Ok(is_known);
        }
        let name = name(&host);
        let reason = format!("{host} is no name of this machine: with --allow-host {name} it would be");
        Err(Exception::Foreign(reason))
    }

    /// Refuses what a browser sends for a page of another origin as well.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Exception> {
        let is_known = self.check_host(headers)?;
        let Some(origin) = text(headers, &ORIGIN) else {
            let is_foreign = text(headers, &SEC_FETCH_SITE).is_some_and(|site| site == "cross-site");
            let reason = "the page of another site asks";
            return if is_foreign { Err(Exception::Foreign(reason.to_owned())) } else { Ok(()) };
        };
        let host_of_origin = origin.split_once("://").map_or("", |(_, host)| host);
        let is_same = is_known && text(headers, &HOST).is_some_and(|own| own == host_of_origin);
        if is_same || self.has(&origin) {
            return Ok(());
        }
        let reason = format!("origin {origin} is another: with --allow-origin {origin} its pages may call");
        Err(Exception::Foreign(reason))
    }

    /// The reply to a browser that asks beforehand for a page whose origin is allowed.
    pub(super) fn preflight(&self, method: &Method, headers: &HeaderMap) -> Option<Reply> {
        let is_allowed = method == Method::OPTIONS && text(headers, &ORIGIN).is_some_and(|origin| self.has(&origin));
        is_allowed.then(|| {
            let mut reply = reply::reply(StatusCode::NO_CONTENT, Vec::new());
            let headers = reply.headers_mut();
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*, Authorization"));
            reply
        })
    }

    /// Has the browser show a reply to the page, if its origin is allowed.
    pub(super) fn complete(&self, origin: Option<&HeaderValue>, reply: &mut Reply) {
        if let Some(origin) = origin.filter(|origin| self.origins.iter().any(|own| own.as_bytes() == origin.as_bytes()))
        {
            let headers = reply.headers_mut();
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("*"));
            headers.insert(VARY, HeaderValue::from_static("Origin"));
        }
    }

    fn has(&self, origin: &str) -> bool {
        self.origins.iter().any(|own| own == origin)
    }

    fn is_own(&self, host: &str) -> bool {
        is_local(host) || self.hosts.iter().any(|own| own.eq_ignore_ascii_case(name(host)))
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<Cow<'h, str>> {
    first(headers, name).map(|value| String::from_utf8_lossy(value.as_bytes()))
}

/// A host without its port.
fn name(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Whether a host with or without a port is an address, or this machine by name.
fn is_local(host: &str) -> bool {
    let name = name(host);
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || name.ends_with(".localhost") || address.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(headers: &[(&'static str, &'static str)]) -> HeaderMap {
        headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn is_taken(gate: &Gate, own: &[(&'static str, &'static str)]) -> bool {
        gate.check(&headers(own)).is_ok()
    }

    #[test]
    fn pages_of_others_are_refused_and_programs_are_not() {
        let gate = Gate::default();
        assert!(is_taken(&gate, &[]));
        for host in ["localhost:8080", "127.0.0.1", "[::1]:8080", "f.localhost:8080"] {
            assert!(is_taken(&gate, &[("host", host)]), "{host}");
        }
        assert!(is_taken(&gate, &[("host", "localhost:8080"), ("origin", "http://localhost:8080")]));
        assert!(is_taken(
            &gate,
            &[("host", "[::1]:8080"), ("origin", "http://[::1]:8080"), ("sec-fetch-site", "same-origin")]
        ));
        assert!(!is_taken(&gate, &[("host", "localhost:8080"), ("origin", "https://example.com")]));
        assert!(!is_taken(&gate, &[("host", "localhost:8080"), ("origin", "null")]));
        assert!(!is_taken(&gate, &[("host", "evil.example:8080"), ("origin", "http://evil.example:8080")]));
        assert!(!is_taken(&gate, &[("host", "evil.example:8080")]));
        assert!(!is_taken(&gate, &[("host", "localhost:8080"), ("sec-fetch-site", "cross-site")]));
    }

    #[test]
    fn who_is_let_in_by_name_is_taken() {
        let gate = Gate { hosts: vec!["lambda".into()], origins: vec!["https://a.example".into()], is_public: false };
        assert!(is_taken(&gate, &[("host", "Lambda:8080")]));
        assert!(!is_taken(&gate, &[("host", "lambda.example:8080")]));
        let page = [("host", "localhost:8080"), ("origin", "https://a.example"), ("sec-fetch-site", "cross-site")];
        assert!(is_taken(&gate, &page));
        let asked = headers(&[("origin", "https://a.example")]);
        assert!(gate.preflight(&Method::OPTIONS, &asked).is_some());
        assert!(gate.preflight(&Method::OPTIONS, &headers(&[("origin", "https://b.example")])).is_none());
        assert!(gate.preflight(&Method::POST, &asked).is_none());
        let mut reply = reply::reply(StatusCode::OK, Vec::new());
        gate.complete(asked.get(ORIGIN), &mut reply);
        assert_eq!(reply.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "https://a.example");
    }

    #[test]
    fn what_others_may_call_takes_any_name_of_programs() {
        let gate = Gate { is_public: true, ..Gate::default() };
        assert!(is_taken(&gate, &[("host", "lambda:8080")]));
        assert!(!is_taken(&gate, &[("host", "evil.example"), ("origin", "http://evil.example")]));
    }
}
