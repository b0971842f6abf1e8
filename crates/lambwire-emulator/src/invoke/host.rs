//! The target of a request, and the host that it is for (RFC 9112, section 3.2).

use hyper::header::{HOST, HeaderValue};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Version};

use super::reply::Exception;

/// Whether the target of a request is a path, with a host before it or without: other forms are for proxies and whole servers.
pub(super) fn check_target(head: &Parts) -> Result<(), Exception> {
    match head.uri.path() {
        _ if head.method == Method::CONNECT => Err(Exception::Tunnel),
        "" => Err(Exception::Malformed("a target without a path is for CONNECT alone")),
        "*" => Err(Exception::Malformed("the target * names nothing that could be called")),
        _ => Ok(()),
    }
}

/// Has the header `Host` be the host that a request is for: a target that names one counts (section 3.2.2).
///
/// # Errors
///
/// The request does not name one host, in the words of Go's servers, AWS's emulator among them.
pub(super) fn settle(head: &mut Parts) -> Result<(), &'static str> {
    check(head.version, &head.headers)?;
    let named = head.uri.authority().and_then(|authority| authority.as_str().rsplit('@').next());
    if let Some(host) = named.and_then(|host| HeaderValue::from_str(host).ok()) {
        head.headers.insert(HOST, host);
    }
    Ok(())
}

fn check(version: Version, headers: &HeaderMap) -> Result<(), &'static str> {
    let mut hosts = headers.iter().filter(|(name, _)| **name == HOST).map(|(_, host)| host);
    match (hosts.next(), hosts.next()) {
        (None, _) if version >= Version::HTTP_11 => Err("missing required Host header"),
        (Some(_), Some(_)) => Err("too many Host headers"),
        (Some(host), None) if !host.as_bytes().iter().all(is_part_of_host) => Err("malformed Host header"),
        _ => Ok(()),
    }
}

/// Whether a host with a port may have this byte (RFC 3986, section 3.2.2).
fn is_part_of_host(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Request;

    #[track_caller]
    fn check_settled(version: Version, target: &str, hosts: &[&str], expected: Result<Option<&str>, &str>) {
        let mut request = Request::builder().version(version).uri(target);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        let (mut head, ()) = request.body(()).unwrap().into_parts();
        let settled = settle(&mut head);
        assert_eq!(settled.map(|()| head.headers.get(HOST).map(|host| host.to_str().unwrap())), expected);
    }

    #[test]
    fn a_request_names_one_host() {
        for host in ["localhost:8080", "[::1]:8080", "a.example", ""] {
            check_settled(Version::HTTP_11, "/", &[host], Ok(Some(host)));
        }
        check_settled(Version::HTTP_11, "/", &[], Err("missing required Host header"));
        check_settled(Version::HTTP_10, "/", &[], Ok(None));
        for version in [Version::HTTP_10, Version::HTTP_11] {
            check_settled(version, "/", &["a", "a"], Err("too many Host headers"));
            for host in ["a b", "a/b", "user@a", "a\"", "a,b?"] {
                check_settled(version, "/", &[host], Err("malformed Host header"));
            }
        }
    }

    #[test]
    fn a_host_in_the_target_counts() {
        check_settled(Version::HTTP_11, "http://a.example:1/x", &["b"], Ok(Some("a.example:1")));
        check_settled(Version::HTTP_11, "http://user@a.example/x", &["b"], Ok(Some("a.example")));
        check_settled(Version::HTTP_11, "http://a.example/x", &[], Err("missing required Host header"));
    }
}
