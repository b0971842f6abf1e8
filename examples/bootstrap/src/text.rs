//! Looking for what is in a text. Texts here are short, and std's own way, which is quick in long ones, is 2 KB.

/// Where a part that is not empty begins first.
pub(crate) fn find(text: &str, part: &str) -> Option<usize> {
    text.as_bytes().windows(part.len()).position(|window| window == part.as_bytes())
}

/// Whether a part is in it.
pub(crate) fn contains(text: &str, part: &str) -> bool {
    find(text, part).is_some()
}

/// The whole number that a text is, if it is one of this type. All are read as one type is.
pub(crate) fn number<T: TryFrom<u64>>(text: &str) -> Option<T> {
    T::try_from(text.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_found_wherever_it_is() {
        for (text, part, at) in [("abc", "a", Some(0)), ("aabc", "abc", Some(1)), ("ab", "abc", None), ("", "a", None)]
        {
            assert_eq!((find(text, part), contains(text, part)), (at, at.is_some()), "{text} {part}");
        }
    }

    #[test]
    fn a_number_is_of_its_type() {
        assert_eq!(
            (number("255"), number::<u8>("256"), number::<i32>("-1"), number::<u16>("")),
            (Some(255u8), None, None, None)
        );
    }
}
