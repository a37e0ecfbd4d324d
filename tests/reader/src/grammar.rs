//! The small words of RFC 9110 section 5.6 and RFC 9112 section 2, over bytes.

use crate::{Fault, Read};

/// `tchar`.
pub(crate) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

pub(crate) fn token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().copied().all(is_token)
}

pub(crate) fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// What may stand in a field value or a reason: blanks, visible characters, bytes above ASCII.
pub(crate) fn is_text(byte: u8) -> bool {
    byte == b'\t' || (0x20..0x7f).contains(&byte) || byte >= 0x80
}

/// Without blanks at both ends.
pub(crate) fn trim(mut text: &[u8]) -> &[u8] {
    while let Some((first, rest)) = text.split_first()
        && is_blank(*first)
    {
        text = rest;
    }
    while let Some((last, rest)) = text.split_last()
        && is_blank(*last)
    {
        text = rest;
    }
    text
}

/// The line at the front, without its CR LF, and its size with it. Nothing but CR LF ends a line,
/// and neither of the two stands anywhere else.
pub(crate) fn line(input: &[u8]) -> Read<&[u8]> {
    for (at, byte) in input.iter().enumerate() {
        match byte {
            b'\n' => return Read::Refused("bare line feed"),
            b'\r' => {
                return match input.get(at + 1) {
                    None => Read::Partial,
                    Some(b'\n') => Read::Whole(input.get(..at).unwrap_or_default(), at + 2),
                    Some(_) => Read::Refused("bare carriage return"),
                };
            }
            _ => {}
        }
    }
    Read::Partial
}

/// Decimal digits, at most nineteen, nothing else.
pub(crate) fn length(text: &[u8]) -> Result<u64, Fault> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return Err("content-length is not a number");
    }
    if text.len() > 19 {
        return Err("content-length is too large");
    }
    let mut value: u64 = 0;
    for digit in text {
        value = value
            .checked_mul(10)
            .and_then(|value| value.checked_add(u64::from(digit - b'0')))
            .ok_or("content-length is too large")?;
    }
    Ok(value)
}

/// `host [ ":" port ]`, or nothing at all.
pub(crate) fn host(text: &[u8]) -> Result<(), Fault> {
    let text = std::str::from_utf8(text).map_err(|_| "host is not ASCII")?;
    if text.is_empty() {
        return Ok(());
    }
    let (name, port) = if let Some(rest) = text.strip_prefix('[') {
        let (inner, port) = rest.split_once(']').ok_or("host has no closing bracket")?;
        inner
            .parse::<std::net::Ipv6Addr>()
            .map_err(|_| "host is not an IPv6 address")?;
        (None, port)
    } else {
        let colon = text.find(':').unwrap_or(text.len());
        let (name, port) = text.split_at(colon);
        (Some(name), port)
    };
    if let Some(name) = name {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(&byte);
        if name.is_empty() || !name.bytes().all(good) {
            return Err("host has a character that no name has");
        }
    }
    match port.strip_prefix(':') {
        None if port.is_empty() => Ok(()),
        Some("") => Ok(()),
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits
            .parse::<u16>()
            .map(|_| ())
            .map_err(|_| "port is too large"),
        _ => Err("port is not a number"),
    }
}
