//! Another parser of heads, httparse's own, and where it may be of another opinion.

use lambwire::{Headers, ReceiveError, RequestKind};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::captures::Capture;
use crate::cuts::{Accepting, Asking, hear};
use crate::mutations::{CAPTURES, change, changed};
use crate::strategies::config;

type Lines = Vec<(String, Vec<u8>)>;

/// Reads a section of header lines with the empty one that ends it; `None` if the other parser does not take it.
fn other(section: &[u8]) -> Option<Lines> {
    let mut storage = [httparse::EMPTY_HEADER; lambwire::limits::HEADERS];
    match httparse::parse_headers(section, &mut storage) {
        Ok(httparse::Status::Complete((_, headers))) => Some(lines(headers)),
        _ => None,
    }
}

fn lines(headers: &[httparse::Header<'_>]) -> Lines {
    headers.iter().map(|header| (header.name.to_owned(), header.value.to_vec())).collect()
}

fn ours(headers: Headers<'_>) -> Lines {
    headers.iter().map(|header| (header.name.to_owned(), header.value.to_vec())).collect()
}

/// Whether this crate refuses what the parser may take, for what it means or for how its lines end.
fn is_stricter(error: ReceiveError) -> bool {
    use ReceiveError::*;
    matches!(
        error,
        BareLineFeed
            | TwoLengths
            | BadHost
            | BadLength
            | BadTransferEncoding
            | BadStatus(_)
            | TooManyInterims
            | NoRequestId
            | BadRequestId
            | TwoRequestIds
            | CutShort
            | BadChunkLine
            | BadChunkEnd
    )
}

fn speaks_of_framing(lines: &Lines) -> bool {
    const NAMES: [&str; 5] = ["content-length", "transfer-encoding", "host", "connection", "trailer"];
    lines.iter().any(|(name, _)| NAMES.contains(&name.to_lowercase().as_str()))
}

/// Lines of which most are nearly right.
fn section() -> impl Strategy<Value = Vec<u8>> {
    let name = prop_oneof![4 => "[A-Za-z0-9!#$%&'*+.^_`|~-]{1,12}", 1 => "[ -~\t]{0,6}", 1 => "[\\PC\0\r\x7f]{0,3}"];
    let value = prop_oneof![
        4 => "[ \t]?[!-~]{0,20}".prop_map(String::into_bytes),
        2 => vec(any::<u8>(), 0..6),
        1 => "[ \t\r\x0b\x0c\0]{0,3}[ -~]{0,3}[ \t\r\x0b\x0c\0]{0,3}".prop_map(String::into_bytes),
    ];
    let end = prop::sample::select(&["\r\n", "\r\n", "\r\n", "\r\n", "\n", "\r", "\r\r\n", "\r\n "][..]);
    let colon = prop::sample::select(&[":", ":", ":", ": ", ": ", " :", ""][..]);
    let line = (name, colon, value, end)
        .prop_map(|(name, colon, value, end)| [name.as_bytes(), colon.as_bytes(), &value, end.as_bytes()].concat());
    vec(line, 0..4).prop_map(|lines| [lines.concat(), b"\r\n".to_vec()].concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, ..config() })]

    #[test]
    fn lines_are_read_as_the_other_parser_reads_them(section in section()) {
        let expected = other(&section);
        for (start, is_trailer) in [
            ("GET / HTTP/1.1\r\nHost: x\r\n", false),
            ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", true),
        ] {
            let wire = [start.as_bytes(), &section[..]].concat();
            let heard = hear(&Accepting::default(), &wire, [wire.len()]);
            let first = heard.messages.first();
            let got = if is_trailer {
                first.and_then(|heard| heard.trailers).map(ours)
            } else {
                // The first line is not of the section.
                first.map(|heard| ours(heard.headers).split_off(1))
            };
            match (got, &expected, heard.stop) {
                (Some(got), Some(expected), _) => prop_assert_eq!(&got, expected),
                (Some(got), None, _) => prop_assert!(false, "{:?} is taken", got),
                (None, Some(expected), Err(ReceiveError::BadTrailer)) => prop_assert!(speaks_of_framing(expected)),
                (None, Some(_), Err(error)) => prop_assert!(is_stricter(error), "{:?}", error),
                (None, _, stop) => prop_assert!(stop.is_err()),
            }
        }
    }

    #[test]
    fn heads_are_read_as_the_other_parser_reads_them(
        capture: prop::sample::Index,
        changes in vec(change(), 1..3),
    ) {
        let mut storage = [httparse::EMPTY_HEADER; lambwire::limits::HEADERS];
        let (Capture::Requests(_, bytes) | Capture::Replies(_, _, bytes)) = &capture.get(&CAPTURES).1;
        let wire = changed(bytes, &changes);
        let (got, expected, stop) = if let Capture::Requests(..) = capture.get(&CAPTURES).1 {
            let mut parsed = httparse::Request::new(&mut storage);
            let is_taken = parsed.parse(&wire).is_ok_and(|status| status.is_complete());
            let heard = hear(&Accepting::default(), &wire, [wire.len()]);
            (heard.messages.first().map(|heard| ours(heard.headers)), is_taken.then(|| lines(parsed.headers)), heard.stop)
        } else {
            let mut parsed = httparse::Response::new(&mut storage);
            let is_taken = parsed.parse(&wire).is_ok_and(|status| status.is_complete());
            let heard = hear(&Asking::new(&[RequestKind::Response]), &wire, [wire.len()]);
            prop_assume!(heard.interims == 0);
            (heard.messages.first().map(|heard| ours(heard.headers)), is_taken.then(|| lines(parsed.headers)), heard.stop)
        };
        match (got, expected) {
            (Some(got), Some(expected)) => prop_assert_eq!(got, expected),
            (Some(got), None) => prop_assert!(false, "{:?} is taken", got),
            // The parser passes over empty lines before a head.
            (None, Some(_)) => prop_assert!(
                stop.is_err_and(|error| is_stricter(error) || matches!(wire[0], b'\r' | b'\n')),
                "{:?}",
                stop
            ),
            (None, None) => {}
        }
    }
}
