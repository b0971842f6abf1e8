//! Reading an address. What `core` has for it can panic, as far as a linker can tell.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Reads an IPv4 address, an IPv6 address in hexadecimal throughout, or `localhost`.
pub(crate) fn read(host: &str) -> Option<IpAddr> {
    match host {
        "localhost" => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        _ if host.as_bytes().contains(&b':') => v6(host.as_bytes()).map(IpAddr::V6),
        _ => v4(host.as_bytes()).map(IpAddr::V4),
    }
}

fn v4(text: &[u8]) -> Option<Ipv4Addr> {
    let Numbers { all, count } = Numbers::read(text, b'.', 10, 8)?;
    (count == 4).then_some(Ipv4Addr::from_bits(u32::try_from(all).ok()?))
}

fn v6(text: &[u8]) -> Option<Ipv6Addr> {
    let Some(gap) = text.windows(2).position(|two| two == b"::") else {
        let Numbers { all, count } = Numbers::read(text, b':', 16, 16)?;
        return (count == 8).then_some(Ipv6Addr::from_bits(all));
    };
    let front = Numbers::read(text.get(..gap)?, b':', 16, 16)?;
    let back = Numbers::read(text.get(gap + 2..)?, b':', 16, 16)?;
    let zeros = 8u32.checked_sub(front.count + back.count)?;
    Some(Ipv6Addr::from_bits(front.all.unbounded_shl(16 * (zeros + back.count)) | back.all))
}

/// Numbers that stand one behind the other, as one.
struct Numbers {
    all: u128,
    count: u32,
}

impl Numbers {
    fn read(text: &[u8], separator: u8, base: u32, bits: u32) -> Option<Self> {
        let none = Self { all: 0, count: 0 };
        if text.is_empty() {
            return Some(none);
        }
        text.split(|&byte| byte == separator).try_fold(none, |Self { all, count }, digits| {
            Some(Self { all: all << bits | u128::from(number(digits, base, bits)?), count: count + 1 })
        })
    }
}

fn number(digits: &[u8], base: u32, bits: u32) -> Option<u32> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0, |number, &digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            _ => (digit | 0x20).checked_sub(b'a')?.checked_add(10)?,
        };
        let number = number * base + u32::from(digit);
        (u32::from(digit) < base && number >> bits == 0).then_some(number)
    })
}
