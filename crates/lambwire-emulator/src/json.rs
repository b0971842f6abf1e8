//! The JSON that the emulator itself makes: flat objects of text.

use serde_json::Value;

/// An object of these keys and values, in this order: AWS writes the type of an error before its message.
pub(crate) fn object(pairs: &[(&str, &str)]) -> String {
    let members: Vec<String> =
        pairs.iter().map(|&(key, value)| format!("{}:{}", Value::from(key), Value::from(value))).collect();
    format!("{{{}}}", members.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_their_order_and_text_is_escaped() {
        assert_eq!(object(&[("b", "\"\n"), ("a", "é")]), r#"{"b":"\"\n","a":"é"}"#);
        assert_eq!(object(&[]), "{}");
    }
}
