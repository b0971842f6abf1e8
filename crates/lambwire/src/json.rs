//! Looking one value up in JSON that somebody else wrote.
//!
//! A look never fails: what is not there, not JSON, nested too deep or of another type is `None`. Nothing is copied;
//! each look reads the text anew.

use core::fmt;
use core::marker::PhantomData;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::limits;

/// A string of JSON, borrowed as it stands there, escapes and all.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a>(&'a str);

impl<'a> Text<'a> {
    /// The string, if no escape stands in it.
    pub fn as_str(&self) -> Option<&'a str> {
        (!self.0.contains('\\')).then_some(self.0)
    }

    /// The characters of the string, escapes resolved. Half of a surrogate pair becomes U+FFFD.
    pub fn chars(&self) -> TextChars<'a> {
        TextChars { rest: self.0.chars() }
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.chars().try_for_each(|char| fmt::Write::write_char(f, char))
    }
}

impl PartialEq for Text<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.chars().eq(other.chars())
    }
}

impl PartialEq<str> for Text<'_> {
    fn eq(&self, other: &str) -> bool {
        self.chars().eq(other.chars())
    }
}

impl PartialEq<&str> for Text<'_> {
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

/// Iterator over the characters of a [`Text`].
#[derive(Clone, Debug)]
pub struct TextChars<'a> {
    rest: core::str::Chars<'a>,
}

impl Iterator for TextChars<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        let char = self.rest.next()?;
        if char != '\\' {
            return Some(char);
        }
        Some(match self.rest.next()? {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => self.unicode(),
            char => char,
        })
    }
}

impl TextChars<'_> {
    /// The character of the four digits to come, and of a second escape if the first is half a pair.
    fn unicode(&mut self) -> char {
        let mut ahead = self.rest.clone();
        let Some(first) = four_digits(&mut ahead) else {
            // What stands in place of digits is text of its own.
            return char::REPLACEMENT_CHARACTER;
        };
        self.rest = ahead;
        if (0xd800..0xdc00).contains(&first) {
            let mut ahead = self.rest.clone();
            if ahead.next() == Some('\\') && ahead.next() == Some('u') {
                if let Some(second @ 0xdc00..0xe000) = four_digits(&mut ahead) {
                    self.rest = ahead;
                    let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                    return char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                }
            }
        }
        char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER)
    }
}

fn four_digits(chars: &mut core::str::Chars<'_>) -> Option<u32> {
    (0..4).try_fold(0, |code, _| Some(code << 4 | chars.next()?.to_digit(16)?))
}

/// What stands under a key.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value<'a> {
    /// A string.
    Text(Text<'a>),
    /// A whole number that fits.
    Integer(i64),
    /// `true` or `false`.
    Bool(bool),
    /// `null`
    Null,
    /// An object, an array, or any other number. The keys of an object can be looked up.
    Other,
}

impl<'a> Value<'a> {
    /// Looks up what stands under `keys`, one inside the other.
    pub(crate) fn at(json: &'a [u8], keys: &[&str]) -> Option<Self> {
        at(json, keys)
            .map(Self::Text)
            .or_else(|| at(json, keys).map(Self::Bool))
            .or_else(|| at(json, keys).map(Self::Integer))
            .or_else(|| at(json, keys).map(|()| Self::Null))
            .or_else(|| at(json, keys).map(|IgnoredAny| Self::Other))
    }

    /// The string, if it is one.
    pub fn text(&self) -> Option<Text<'a>> {
        if let Self::Text(text) = *self { Some(text) } else { None }
    }
}

/// The value of type `T` under `keys`, one inside the other. The case of keys does not matter, as in Go's decoder; of
/// two keys alike the first counts.
pub(crate) fn at<'a, T: Deserialize<'a>>(json: &'a [u8], keys: &[&str]) -> Option<T> {
    find(json, keys, PhantomData)
}

/// Shows each element of the array under `key` to `each`, in order, if all of them are of type `T`, and says whether
/// they are.
pub(crate) fn for_each<'a, T: Deserialize<'a>>(json: &'a [u8], key: &str, each: &mut dyn FnMut(T)) -> bool {
    let look = |each: &mut dyn FnMut(T)| find(json, &[key], Each { each }).is_some();
    look(&mut |_| ()) && look(each)
}

/// Runs `seed` over what stands under `keys`, if the text is not nested too deep.
fn find<'a, S: DeserializeSeed<'a>>(json: &'a [u8], keys: &[&str], seed: S) -> Option<S::Value> {
    if !is_shallow(json) {
        return None;
    }
    let mut deserializer = serde_json_core::de::Deserializer::new(json, None);
    At { keys, seed }.deserialize(&mut deserializer).ok()?
}

/// Whether nothing is nested deeper than the limit. The deserializer calls itself once for each level.
fn is_shallow(json: &[u8]) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    json.iter().all(|&byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth <= limits::JSON_DEPTH
    })
}

struct At<'k, S> {
    keys: &'k [&'k str],
    seed: S,
}

impl<'a, S: DeserializeSeed<'a>> DeserializeSeed<'a> for At<'_, S> {
    type Value = Option<S::Value>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        if self.keys.is_empty() {
            self.seed.deserialize(deserializer).map(Some)
        } else {
            deserializer.deserialize_map(self)
        }
    }
}

impl<'a, S: DeserializeSeed<'a>> Visitor<'a> for At<'_, S> {
    type Value = Option<S::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let Some((first, keys)) = self.keys.split_first() else {
            return Ok(None);
        };
        let mut seed = Some(self.seed);
        let mut found = None;
        while let Some(Text(key)) = map.next_key()? {
            match seed.take_if(|_| key.eq_ignore_ascii_case(first)) {
                Some(seed) => found = map.next_value_seed(At { keys, seed })?,
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(found)
    }
}

struct Each<'e, T> {
    each: &'e mut dyn FnMut(T),
}

impl<'a, T: Deserialize<'a>> DeserializeSeed<'a> for Each<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'a, T: Deserialize<'a>> Visitor<'a> for Each<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<S: SeqAccess<'a>>(self, mut seq: S) -> Result<(), S::Error> {
        while let Some(element) = seq.next_element()? {
            (self.each)(element);
        }
        Ok(())
    }
}

impl<'a> Deserialize<'a> for Text<'a> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'a> Visitor<'a> for TextVisitor {
            type Value = Text<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'a str) -> Result<Text<'a>, E> {
                Ok(Text(text))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;
    use std::vec::Vec;

    #[track_caller]
    fn check(json: &str, keys: &[&str], expected: Option<&str>) {
        assert_eq!(at::<Text<'_>>(json.as_bytes(), keys).map(|text| text.to_string()).as_deref(), expected);
    }

    #[test]
    fn strings_are_found_whatever_is_around_them() {
        check(r#"{"a":"b"}"#, &["a"], Some("b"));
        check(r#" { "x" : [1,{"a":2},"}"], "a" : "b" , "y":null } "#, &["a"], Some("b"));
        check(r#"{"o":{"a":"b"}}"#, &["o", "a"], Some("b"));
        check(r#"{"o":{"a":"b"}}"#, &["o"], None);
        check(r#"{"A":"b","a":"c"}"#, &["a"], Some("b"));
        check(r#"{"a":1}"#, &["a"], None);
        check(r#"["a"]"#, &["a"], None);
        for broken in ["", "{", r#"{"a""#, r#"{"a":"b"#, r#"{"a":}"#, r#"{a:"b"}"#, "\u{0}"] {
            check(broken, &["a"], None);
        }
    }

    #[test]
    fn escapes_are_resolved_and_plain_strings_are_borrowed() {
        check(r#"{"a":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"}"#, &["a"], Some("\"\\/\u{8}\u{c}\n\r\té😀"));
        check(r#"{"a":"\ud83d!\ude00\ud83d\u0041"}"#, &["a"], Some("\u{fffd}!\u{fffd}\u{fffd}A"));
        check(r#"{"a":"\ud83d\n"}"#, &["a"], Some("\u{fffd}\n"));
        check(r#"{"a":"\u12"}"#, &["a"], Some("\u{fffd}12"));
        check(r#"{"a":"\u\n\u12\t\u123\"\uzz"}"#, &["a"], Some("\u{fffd}\n\u{fffd}12\t\u{fffd}123\"\u{fffd}zz"));
        assert_eq!(at::<Text<'_>>(br#"{"a":"b"}"#, &["a"]).and_then(|text| text.as_str()), Some("b"));
        assert_eq!(at::<Text<'_>>(br#"{"a":"\n"}"#, &["a"]).and_then(|text| text.as_str()), None);
    }

    #[test]
    fn values_of_other_types_are_told_apart() {
        let json = br#"{"i":-7,"b":true,"n":null,"f":1.5,"o":{},"a":[],"s":"x","big":99999999999999999999}"#;
        let value = |key| Value::at(json, &[key]);
        assert_eq!(value("i"), Some(Value::Integer(-7)));
        assert_eq!(value("b"), Some(Value::Bool(true)));
        assert_eq!(value("n"), Some(Value::Null));
        for other in ["f", "o", "a", "big"] {
            assert_eq!(value(other), Some(Value::Other), "{other}");
        }
        assert!(value("s").and_then(|value| value.text()).is_some_and(|text| text == "x"));
        assert_eq!(value("none"), None);
    }

    #[test]
    fn elements_are_shown_if_all_are_of_the_type() {
        let shown = |json: &[u8]| {
            let mut elements = Vec::new();
            for_each(json, "a", &mut |element: u64| elements.push(element)).then_some(elements)
        };
        assert_eq!(shown(br#"{"a":[1,2,3]}"#), Some(std::vec![1, 2, 3]));
        assert_eq!(shown(br#"{"a":[1,"2",3]}"#), None);
        assert_eq!(shown(br#"{"a":1}"#), None);
    }

    #[test]
    fn nesting_at_the_limit_is_read_and_one_level_more_is_not() {
        for depth in [limits::JSON_DEPTH - 1, limits::JSON_DEPTH, limits::JSON_DEPTH + 1] {
            let inner = depth - 1;
            let json = std::format!(r#"{{"x":{}{},"a":"b"}}"#, "[".repeat(inner), "]".repeat(inner));
            check(&json, &["a"], (depth <= limits::JSON_DEPTH).then_some("b"));
        }
        check(&"[".repeat(1_000_000), &["a"], None);
        check(r#"{"x":"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[","a":"b"}"#, &["a"], Some("b"));
    }
}
