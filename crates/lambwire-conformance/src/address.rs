//! Addresses of the Runtime API and of callers' end.

/// `host:port` and path of an address, with or without its scheme.
pub(crate) fn authority(address: &str) -> Result<(String, String), String> {
    let rest = address.strip_prefix("http://").unwrap_or(address);
    let (authority, path) = rest.split_once('/').map_or((rest, ""), |(host, path)| (host, path));
    if authority.is_empty() || rest.contains("://") {
        return Err(format!("{address} is no address such as http://127.0.0.1:8080"));
    }
    let authority = if authority.contains(':') { authority.to_owned() } else { format!("{authority}:80") };
    let path = path.trim_end_matches('/');
    Ok((authority, if path.is_empty() { String::new() } else { format!("/{path}") }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_and_without_a_scheme() {
        let pair = |host: &str, path: &str| Ok((host.to_owned(), path.to_owned()));
        assert_eq!(authority("127.0.0.1:9001"), pair("127.0.0.1:9001", ""));
        assert_eq!(authority("http://127.0.0.1:9000/.rt/"), pair("127.0.0.1:9000", "/.rt"));
        assert_eq!(authority("http://host"), pair("host:80", ""));
        assert!(authority("ftp://host").is_err() && authority("").is_err());
    }
}
