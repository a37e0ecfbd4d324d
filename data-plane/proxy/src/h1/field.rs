//! Field lines (RFC 9112 section 5): read strictly, written from parsed parts only.

use bytes::{BufMut, BytesMut};
use http::HeaderName;
use memchr::memchr;

/// Why a line is no field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.as_str())]
pub enum BadField {
    /// It begins with a blank: a folded value (RFC 9112 section 5.2).
    Folded,
    /// It has no colon.
    NoColon,
    /// Nothing stands before the colon.
    NoName,
    /// A blank stands before the colon (RFC 9112 section 5.1).
    BlankBeforeColon,
    /// The name is not a token.
    Name,
    /// A carriage return stands inside.
    BareReturn,
    /// The value has NUL or another control character.
    Control,
}

impl BadField {
    /// The rule that is broken.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Folded => "field value is folded over lines",
            Self::NoColon => "field line has no colon",
            Self::NoName => "field name is empty",
            Self::BlankBeforeColon => "blank between field name and colon",
            Self::Name => "field name is not a token",
            Self::BareReturn => "carriage return without line feed",
            Self::Control => "control character in a field value",
        }
    }
}

/// Name and value of a line, which comes without its CR LF; blanks around the value are cut off.
///
/// # Errors
/// Which rule it breaks.
pub fn split(line: &[u8]) -> Result<(HeaderName, &[u8]), BadField> {
    if line.first().is_some_and(|byte| is_blank(*byte)) {
        return Err(BadField::Folded);
    }
    if memchr(b'\r', line).is_some() {
        return Err(BadField::BareReturn);
    }
    let colon = memchr(b':', line).ok_or(BadField::NoColon)?;
    let (name, rest) = line.split_at(colon);
    if name.is_empty() {
        return Err(BadField::NoName);
    }
    if name.last().is_some_and(|byte| is_blank(*byte)) {
        return Err(BadField::BlankBeforeColon);
    }
    let name = HeaderName::from_bytes(name).map_err(|_| BadField::Name)?;
    let value = trim(rest.get(1..).unwrap_or_default());
    if value.iter().any(|byte| is_control(*byte)) {
        return Err(BadField::Control);
    }
    Ok((name, value))
}

/// Characters of a token (RFC 9110 section 5.6.2).
#[must_use]
pub const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
}

const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// What may not stand in a value.
pub(super) const fn is_control(byte: u8) -> bool {
    byte != b'\t' && (byte < b' ' || byte == 0x7f)
}

/// Without the blanks around it; nothing else is a blank here.
fn trim(mut value: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = value
        && is_blank(*first)
    {
        value = rest;
    }
    while let [rest @ .., last] = value
        && is_blank(*last)
    {
        value = rest;
    }
    value
}

/// The number in `Content-Length`: digits only, no sign, no list, no overflow.
#[must_use]
pub fn parse_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > 19 || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// Writes a field line.
pub fn put(name: &[u8], value: &[u8], out: &mut BytesMut) {
    out.reserve(name.len() + value.len() + 4);
    out.put_slice(name);
    out.put_slice(b": ");
    out.put_slice(value);
    out.put_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_by_the_grammar_only() {
        assert_eq!(split(b"Host: a ").unwrap(), (http::header::HOST, &b"a"[..]));
        let (name, value) = split(b"x-A:\t b\tc: \xc3\xa4").unwrap();
        assert_eq!((name.as_str(), value), ("x-a", &b"b\tc: \xc3\xa4"[..]));
        assert_eq!(split(b"x:").unwrap().1, b"");
        for (line, expected) in [
            (&b" x: 1"[..], BadField::Folded),
            (b"\tx: 1", BadField::Folded),
            (b"x", BadField::NoColon),
            (b": 1", BadField::NoName),
            (b"x : 1", BadField::BlankBeforeColon),
            (b"x\t: 1", BadField::BlankBeforeColon),
            (b"x y: 1", BadField::Name),
            (b"x\0: 1", BadField::Name),
            (b"\xc3\xa4: 1", BadField::Name),
            (b"x: 1\r2", BadField::BareReturn),
            (b"x: 1\r", BadField::BareReturn),
            (b"x: \0", BadField::Control),
            (b"x: \x0b", BadField::Control),
            (b"x: 1\x7f", BadField::Control),
        ] {
            assert_eq!(split(line).unwrap_err(), expected, "{line:?}");
        }
    }

    #[test]
    fn lengths_are_digits() {
        assert_eq!(parse_length(b"0"), Some(0));
        assert_eq!(parse_length(b"9223372036854775807"), Some(i64::MAX as u64));
        for odd in [
            "",
            "+1",
            "-1",
            "1,1",
            "1, 1",
            "0x1",
            "1 ",
            "1.0",
            "1e3",
            "99999999999999999999",
        ] {
            assert_eq!(parse_length(odd.as_bytes()), None, "{odd}");
        }
    }
}
