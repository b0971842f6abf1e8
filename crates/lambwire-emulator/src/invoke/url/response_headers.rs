//! The headers of a response, as the function says them in each form of answers.

use hyper::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, SET_COOKIE, TRANSFER_ENCODING};
use serde_json::{Map, Value};

use super::UrlFormat;
use super::response::{Malformed, malformed};

/// The headers of a response of which this is said.
pub(super) fn headers(format: UrlFormat, said: &Map<String, Value>) -> Result<HeaderMap, Malformed> {
    let mut headers = HeaderMap::new();
    if format == UrlFormat::AlbMultiValue {
        tell_ignored(said, "headers", "alb");
    } else {
        for (name, said) in members(format, said, "headers")? {
            if let Some(value) = value(format, name, said)? {
                headers.insert(header(name)?, value);
            }
        }
    }
    if matches!(format, UrlFormat::V1 | UrlFormat::AlbMultiValue) {
        for (name, said) in members(format, said, "multiValueHeaders")? {
            merge(format, &mut headers, name, said)?;
        }
    } else {
        tell_ignored(said, "multiValueHeaders", if format == UrlFormat::Alb { "alb-multi-value" } else { "1.0" });
    }
    // Streams of REST APIs may have them, which elsewhere refuse them.
    if matches!(format, UrlFormat::Alb | UrlFormat::AlbMultiValue) {
        tell_ignored(said, "cookies", "2.0");
    } else {
        for cookie in said.get("cookies").and_then(Value::as_array).into_iter().flatten() {
            headers.extend(value(format, "set-cookie", cookie)?.map(|cookie| (SET_COOKIE, cookie)));
        }
    }
    // The length is that of the body, whatever the function says.
    headers.remove(CONTENT_LENGTH);
    headers.remove(TRANSFER_ENCODING);
    Ok(headers)
}

/// The members of an object; only version 2.0 takes something else for an empty one.
fn members<'s>(
    format: UrlFormat,
    said: &'s Map<String, Value>,
    name: &str,
) -> Result<impl Iterator<Item = (&'s String, &'s Value)> + use<'s>, Malformed> {
    let members = match said.get(name) {
        Some(Value::Object(members)) => Some(members),
        Some(other) if format != UrlFormat::V2 && !other.is_null() => return Err(malformed(name, "is no object")),
        _ => None,
    };
    Ok(members.into_iter().flatten())
}

/// Puts all values of a header before the single one that there is, which goes if it is one of them (AWS, "Output format of a
/// Lambda function for proxy integration").
fn merge(format: UrlFormat, headers: &mut HeaderMap, name: &str, said: &Value) -> Result<(), Malformed> {
    let values =
        said.as_array().ok_or_else(|| malformed("multiValueHeaders", format_args!("has no list for {name:?}")))?;
    let key = header(name)?;
    let single = headers.remove(&key);
    for said in values {
        headers.extend(value(format, name, said)?.map(|value| (key.clone(), value)));
    }
    let single = single.filter(|single| headers.get_all(&key).iter().all(|value| value != single));
    headers.extend(single.map(|single| (key, single)));
    Ok(())
}

fn header(name: &str) -> Result<HeaderName, Malformed> {
    HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| malformed("headers", format_args!("has no name of a header: {name:?}")))
}

/// The value of a header; null is none in version 2.0. A REST API takes text and truth values alone (LocalStack,
/// `_is_lambda_response_valid`), and AWS shows nothing else for load balancers.
fn value(format: UrlFormat, name: &str, said: &Value) -> Result<Option<HeaderValue>, Malformed> {
    let value = match said {
        Value::Null if format == UrlFormat::V2 => return Ok(None),
        Value::String(text) => HeaderValue::from_str(text).ok(),
        Value::Bool(flag) => HeaderValue::try_from(flag.to_string()).ok(),
        said if format == UrlFormat::V2 => HeaderValue::try_from(said.to_string()).ok(),
        _ => None,
    };
    value.map(Some).ok_or_else(|| malformed("the header", format_args!("{name:?} cannot have the value {said}")))
}

/// Says of a member that does nothing here where it does something.
fn tell_ignored(said: &Map<String, Value>, name: &str, format: &str) {
    if said.contains_key(name) {
        log::warn!("`{name}` of an answer is not looked at: `--url-format {format}` has it");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The headers of an answer, each as a line, or why there are none.
    fn lines(format: UrlFormat, said: &str) -> Result<Vec<String>, String> {
        let said: Map<String, Value> = serde_json::from_str(said).unwrap();
        match headers(format, &said) {
            Ok(headers) => {
                Ok(headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect())
            }
            Err(Malformed::Answer(why)) => Err(why),
            Err(Malformed::Failure) => panic!("no failure"),
        }
    }

    #[test]
    fn several_values_are_a_list_in_version_1_and_cookies_in_version_2() {
        let both = r#"{"headers":{"A":"1"},"multiValueHeaders":{"a":["2","3"],"b":["1"]},"cookies":["c=d"]}"#;
        for (format, expected) in [
            (UrlFormat::V2, &["a: 1", "set-cookie: c=d"][..]),
            (UrlFormat::Alb, &["a: 1"]),
            (UrlFormat::AlbMultiValue, &["a: 2", "a: 3", "b: 1"]),
            (UrlFormat::V1, &["a: 2", "a: 3", "a: 1", "b: 1", "set-cookie: c=d"]),
        ] {
            assert_eq!(lines(format, both).unwrap(), expected);
        }
        let same = r#"{"headers":{"A":"2"},"multiValueHeaders":{"a":["2","3"]}}"#;
        assert_eq!(lines(UrlFormat::V1, same).unwrap(), ["a: 2", "a: 3"]);
    }

    #[test]
    fn a_value_that_is_no_text_is_refused_where_aws_refuses_it() {
        for (said, in_version_2) in [
            (r#"{"headers":{"a":null}}"#, &[][..]),
            (r#"{"headers":{"a":1}}"#, &["a: 1"]),
            (r#"{"headers":{"a":["b"]}}"#, &[r#"a: ["b"]"#]),
            (r#"{"headers":"a"}"#, &[]),
        ] {
            assert_eq!(lines(UrlFormat::V2, said).unwrap(), in_version_2, "{said}");
            for format in [UrlFormat::V1, UrlFormat::Alb] {
                assert!(lines(format, said).is_err(), "{said}");
            }
        }
        for format in [UrlFormat::V2, UrlFormat::V1, UrlFormat::Alb] {
            assert_eq!(lines(format, r#"{"headers":{"a":true}}"#).unwrap(), ["a: true"]);
            assert!(lines(format, r#"{"headers":null}"#).unwrap().is_empty());
        }
        for said in [r#"{"multiValueHeaders":{"a":"b"}}"#, r#"{"multiValueHeaders":{"a":[null]}}"#] {
            assert!(lines(UrlFormat::V1, said).is_err() && lines(UrlFormat::V2, said).unwrap().is_empty(), "{said}");
        }
    }

    #[test]
    fn what_cannot_be_sent_is_named() {
        for (said, why) in [
            (r#"{"headers":{"a b":"x"}}"#, r#"headers has no name of a header: "a b""#),
            (r#"{"headers":{"a":"x\r\ny"}}"#, r#"the header "a" cannot have the value "x\r\ny""#),
            (r#"{"cookies":["\n"]}"#, r#"the header "set-cookie" cannot have the value "\n""#),
            (r#"{"multiValueHeaders":{"a":1}}"#, r#"multiValueHeaders has no list for "a""#),
        ] {
            assert_eq!(lines(UrlFormat::V1, said), Err(why.to_owned()));
        }
    }
}
