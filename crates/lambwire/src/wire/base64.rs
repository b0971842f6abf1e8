//! Standard base64 with padding (RFC 4648, section 4): how an error report stands in a trailer.

use super::writer::Writer;

const ALPHABET: [u8; 64] = *b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub(crate) fn write(writer: &mut Writer<'_>, bytes: &[u8]) {
    for group in bytes.chunks(3) {
        let byte = |index| u32::from(group.get(index).copied().unwrap_or(0));
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        let symbol = |index: usize| {
            let is_padding = index > group.len();
            if is_padding { b'=' } else { ALPHABET[(word >> (18 - 6 * index) & 63) as usize] }
        };
        writer.put(&[symbol(0), symbol(1), symbol(2), symbol(3)]);
    }
}

/// Decodes into the front of `out` and gives that back; `None` if the text is not base64 or `out` is too small.
pub(crate) fn decode<'o>(text: &[u8], out: &'o mut [u8]) -> Option<&'o [u8]> {
    let groups = text.chunks_exact(4);
    if !groups.remainder().is_empty() {
        return None;
    }
    let last = groups.len().saturating_sub(1);
    let mut len = 0;
    for (index, group) in groups.enumerate() {
        let padding = group.iter().rev().take_while(|&&symbol| symbol == b'=').count();
        if padding > 2 || padding > 0 && index != last {
            return None;
        }
        let mut word = 0;
        for &symbol in group.iter().take(4 - padding) {
            word = word << 6 | value(symbol)?;
        }
        word <<= 6 * padding;
        let [_, bytes @ ..] = word.to_be_bytes();
        for byte in bytes.iter().take(3 - padding) {
            *out.get_mut(len)? = *byte;
            len += 1;
        }
    }
    out.get(..len)
}

fn value(symbol: u8) -> Option<u32> {
    ALPHABET.iter().zip(0..).find(|(letter, _)| **letter == symbol).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_rfc_4648_go_both_ways() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            let mut out = [0; 8];
            let mut writer = Writer::new(&mut out);
            write(&mut writer, plain.as_bytes());
            let len = writer.finish(8).unwrap();
            assert_eq!(&out[..len], coded.as_bytes());
            assert_eq!(decode(coded.as_bytes(), &mut [0; 6]), Some(plain.as_bytes()));
        }
    }

    #[test]
    fn what_is_not_base64_or_has_no_room_is_refused() {
        for text in ["Z", "Zg=", "Zg", "Z===", "====", "Zg==Zg==", "Z=g=", "Zm9v\n", "Zm-v", " Zm9"] {
            assert_eq!(decode(text.as_bytes(), &mut [0; 16]), None, "{text:?}");
        }
        assert_eq!(decode(b"Zm9v", &mut [0; 2]), None);
    }
}
