//! Text with `${variables}`, patterns with `*` and classes such as `${uuid}`, and JSON compared member by member.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::show::short;

/// How far ahead a deadline may be: AWS's longest time-out, 90 minutes for managed instances, and some.
const DEADLINE_AHEAD_MS: u128 = 2 * 3600 * 1000;

/// What the texts of a play may name.
pub type Variables = BTreeMap<String, String>;

/// Puts values in place of `${name}`, `${fill:N}` (N times `x`) and `${byte:HH}`.
///
/// # Errors
///
/// A variable that nobody has set.
pub fn expand(text: &str, variables: &Variables) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((before, name, after)) = variable(rest) {
        out.extend_from_slice(before.as_bytes());
        match name.split_once(':') {
            Some(("fill", count)) => {
                let count: usize = count.parse().map_err(|_| format!("${{{name}}} has no number"))?;
                out.resize(out.len() + count, b'x');
            }
            Some(("byte", digits)) => {
                out.push(u8::from_str_radix(digits, 16).map_err(|_| format!("${{{name}}} is no byte"))?);
            }
            _ => match variables.get(name) {
                Some(value) => out.extend_from_slice(value.as_bytes()),
                None => return Err(format!("nothing is called ${{{name}}}")),
            },
        }
        rest = after;
    }
    out.extend_from_slice(rest.as_bytes());
    Ok(out)
}

/// Whether the text is of the pattern. What `expand` knows is expanded, `*` stands for any text, and `${uuid}`,
/// `${number}`, `${epoch-ms}`, `${text}`, `${time}` for what they say.
///
/// # Errors
///
/// A variable that nobody has set.
pub fn matches(pattern: &str, text: &str, variables: &Variables) -> Result<bool, String> {
    let mut parts = Vec::new();
    let mut rest = pattern;
    loop {
        let class = CLASSES.iter().filter_map(|c| Some((rest.find(c.name)?, c))).min_by_key(|(at, _)| *at);
        let star = rest.find('*');
        let (literal, part, after) = match (class, star) {
            (Some((at, class)), star) if star.is_none_or(|star| at < star) => {
                (rest.get(..at), Some(Part::Class(class)), rest.get(at + class.name.len()..))
            }
            (_, Some(at)) => (rest.get(..at), Some(Part::Any), rest.get(at + 1..)),
            _ => (Some(rest), None, Some("")),
        };
        let literal = expand(literal.unwrap_or_default(), variables)?;
        parts.push(Part::Literal(String::from_utf8_lossy(&literal).into_owned()));
        let Some(part) = part else { break };
        parts.push(part);
        rest = after.unwrap_or_default();
    }
    Ok(fits(&parts, text))
}

/// What of `actual` is not as `expected` says, in words; nothing where it is. Tables may have more members.
///
/// # Errors
///
/// A variable that nobody has set.
pub fn json_differs(
    expected: &Value,
    actual: &Value,
    variables: &Variables,
    place: &str,
) -> Result<Vec<String>, String> {
    let mut differences = Vec::new();
    let same = match (expected, actual) {
        (Value::Object(members), Value::Object(object)) => {
            for (name, value) in members {
                let place = format!("{place}.{name}");
                match (object.get(name), value.as_str()) {
                    (None, Some("${absent}")) => {}
                    (Some(_), Some("${absent}")) => differences.push(format!("{place} is there")),
                    (None, _) => differences.push(format!("{place} is missing")),
                    (Some(actual), _) => differences.extend(json_differs(value, actual, variables, &place)?),
                }
            }
            true
        }
        (Value::Array(expected), Value::Array(actual)) => {
            for (at, (expected, actual)) in expected.iter().zip(actual).enumerate() {
                differences.extend(json_differs(expected, actual, variables, &format!("{place}[{at}]"))?);
            }
            expected.len() == actual.len()
        }
        (Value::String(pattern), Value::String(text)) => matches(pattern, text, variables)?,
        (Value::String(pattern), Value::Number(number)) if pattern.starts_with("${") => {
            matches(pattern, &number.to_string(), variables)?
        }
        (Value::Number(_) | Value::Bool(_) | Value::Null, _) => expected == actual,
        _ => false,
    };
    if !same {
        differences.push(format!("{place} is {}, not {expected}", short(actual.to_string().as_bytes())));
    }
    Ok(differences)
}

enum Part {
    Literal(String),
    Any,
    Class(&'static Class),
}

struct Class {
    name: &'static str,
    fits: fn(&str) -> bool,
}

static CLASSES: [Class; 5] = [
    Class { name: "${uuid}", fits: |text| text.len() == 36 && uuid::Uuid::try_parse(text).is_ok() },
    Class { name: "${number}", fits: |text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) },
    Class { name: "${epoch-ms}", fits: is_deadline },
    Class { name: "${text}", fits: |text| !text.is_empty() },
    Class { name: "${time}", fits: is_time },
];

fn is_deadline(text: &str) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    // An invocation that took long to reach us may be past its deadline by seconds.
    text.parse::<u128>().is_ok_and(|ms| ms + 60_000 > now && ms < now + DEADLINE_AHEAD_MS)
}

/// `2026-11-28T23:00:00.000Z`, with any number of digits after the point.
fn is_time(text: &str) -> bool {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    shape.starts_with("0000-00-00T00:00:00") && shape.ends_with('Z')
}

fn fits(parts: &[Part], text: &str) -> bool {
    let Some((part, rest)) = parts.split_first() else { return text.is_empty() };
    let ends = |text: &str| text.char_indices().map(|(at, _)| at).chain([text.len()]).collect::<Vec<_>>();
    match part {
        Part::Literal(literal) => text.strip_prefix(literal.as_str()).is_some_and(|text| fits(rest, text)),
        Part::Any if rest.iter().all(|part| matches!(part, Part::Literal(l) if l.is_empty())) => true,
        Part::Any => ends(text).into_iter().any(|at| text.get(at..).is_some_and(|text| fits(rest, text))),
        Part::Class(class) => ends(text).into_iter().rev().any(|at| {
            let (is, after) = text.split_at(at);
            (class.fits)(is) && fits(rest, after)
        }),
    }
}

fn variable(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once("${")?;
    let (name, after) = rest.split_once('}')?;
    Some((before, name, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables() -> Variables {
        Variables::from([("id".to_owned(), "7".to_owned())])
    }

    #[test]
    fn variables_fills_and_bytes_are_expanded() {
        assert_eq!(expand("a${id}${fill:3}${byte:00}z", &variables()).unwrap(), b"a7xxx\0z");
        assert!(expand("${nobody}", &variables()).is_err());
        assert!(expand("${byte:zz}", &variables()).is_err());
    }

    #[track_caller]
    fn check(pattern: &str, text: &str, expected: bool) {
        assert_eq!(matches(pattern, text, &variables()), Ok(expected), "{pattern} on {text}");
    }

    #[test]
    fn patterns_match_whole_texts() {
        check("abc", "abc", true);
        check("abc", "abcd", false);
        check("a*c", "abbc", true);
        check("a*c", "abb", false);
        check("*/${id}/*", "x/7/", true);
        check("${uuid}", "11111111-2222-3333-4444-555555555555", true);
        check("${uuid}", "11111111-2222-3333-4444", false);
        check("n=${number};", "n=12;", true);
        check("n=${number};", "n=;", false);
        check("${epoch-ms}", "600000", false);
        check("${time}", "2026-11-28T23:00:00.123Z", true);
        check("${text}", "", false);
        check("*", "", true);
    }

    #[test]
    fn json_is_compared_member_by_member() {
        let expected: Value = toml::from_str("a = 1\nb = ['x*']\nc = '${absent}'").unwrap();
        let differs = |json| {
            let json = serde_json::from_str(json).unwrap();
            json_differs(&expected, &json, &variables(), "body").unwrap()
        };
        assert!(differs(r#"{"a":1,"b":["xy"],"more":null}"#).is_empty());
        assert_eq!(differs(r#"{"b":["xy"]}"#), ["body.a is missing"]);
        assert_eq!(differs(r#"{"a":1,"b":["y"],"c":0}"#).len(), 2);
        assert_eq!(differs(r#"{"a":1,"b":[]}"#).len(), 1);
    }
}
