//! A prelude is found where its NUL bytes are, however much of the stream has come, and is found as it was written.

use arbitrary::{Arbitrary, Unstructured};
use lambwire::limits::PRELUDE_BYTES;
use lambwire::{PRELUDE_SEPARATOR, Prelude, ReceivedPrelude, SendError};
use serde_json::{Value, json};

use crate::scatter;

#[derive(Arbitrary)]
struct Parts<'a> {
    status_code: u16,
    headers: Vec<(&'a str, &'a str)>,
    multi_value_headers: Vec<(&'a str, Vec<&'a str>)>,
    cookies: Vec<&'a str>,
}

/// Runs it over one input, taken for a stream and for the parts of a prelude.
pub fn run(data: &[u8]) {
    check_found(data);
    if let Ok(parts) = Parts::arbitrary(&mut Unstructured::new(data)) {
        check_written(&parts);
    }
}

fn check_found(stream: &[u8]) {
    let found = ReceivedPrelude::find(stream);
    let end = stream
        .iter()
        .position(|&byte| byte == 0)
        .filter(|&end| end <= PRELUDE_BYTES && stream.get(end..end + 8) == Some(&PRELUDE_SEPARATOR));
    assert_eq!(found.map(|found| (found.json, found.body)), end.map(|end| (&stream[..end], &stream[end + 8..])));
    for cut in scatter::ends(stream) {
        let cut_off = ReceivedPrelude::find(&stream[..cut]);
        assert_eq!(cut_off.is_some(), end.is_some_and(|end| end + 8 <= cut), "cut at {cut}");
        assert!(cut_off.is_none_or(|cut_off| found.is_some_and(|found| found.json == cut_off.json)));
    }
}

fn check_written(parts: &Parts<'_>) {
    let multi: Vec<_> = parts.multi_value_headers.iter().map(|(name, values)| (*name, &values[..])).collect();
    let prelude = Prelude {
        status_code: parts.status_code,
        headers: &parts.headers,
        multi_value_headers: &multi,
        cookies: &parts.cookies,
    };
    let mut out = vec![b'x'; PRELUDE_BYTES + 1];
    let len = match prelude.write(&mut out) {
        Ok(len) => len,
        Err(SendError::BufferTooSmall { needed }) => return assert_eq!(needed, PRELUDE_BYTES),
        Err(error) => panic!("{error}"),
    };
    let mut expected = json!({
        "statusCode": parts.status_code,
        "headers": parts.headers.iter().copied().collect::<std::collections::BTreeMap<_, _>>(),
        "cookies": parts.cookies,
    });
    if !multi.is_empty() {
        expected["multiValueHeaders"] = json!(multi.iter().copied().collect::<std::collections::BTreeMap<_, _>>());
    }
    let json = &out[..len];
    assert_eq!(serde_json::from_slice::<Value>(json).unwrap(), expected);
    let stream = [json, &PRELUDE_SEPARATOR].concat();
    assert_eq!(ReceivedPrelude::find(&stream), Some(ReceivedPrelude { json, body: b"" }));
}
