//! Sizes as nginx writes them: `1000`, `64k`, `10m`, `1g`.

use std::str::FromStr;

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) u64);

/// What a size looks like.
pub(crate) const EXPECTED: &str = "a size such as 1000, 64k, 10m or 1g";

impl FromStr for Size {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (digits, shift) = match text.as_bytes().last() {
            Some(b'k' | b'K') => (text.get(..text.len() - 1), 10),
            Some(b'm' | b'M') => (text.get(..text.len() - 1), 20),
            Some(b'g' | b'G') => (text.get(..text.len() - 1), 30),
            _ => (Some(text), 0),
        };
        let digits = digits.unwrap_or_default();
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(());
        }
        let number: u64 = digits.parse().map_err(|_| ())?;
        number.checked_mul(1 << shift).map(Size).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_nginx_reads_them() {
        for (text, size) in [
            ("0", Some(0)),
            ("1000", Some(1000)),
            ("64k", Some(65_536)),
            ("10M", Some(10 << 20)),
            ("2g", Some(2 << 30)),
            ("", None),
            ("k", None),
            ("+1k", None),
            ("1.5m", None),
            ("-1", None),
            ("1t", None),
            ("99999999999g", None),
            ("1é", None),
        ] {
            assert_eq!(text.parse().ok(), size.map(Size), "{text:?}");
        }
    }
}
