//! Times as nginx writes them: `5` and `5s`, `500ms`, `10m`, `1h`.

use std::str::FromStr;
use std::time::Duration;

/// A length of time, more than nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Duration);

/// What a time looks like.
pub(crate) const EXPECTED: &str = "a time above 0 and up to 1d, such as 500ms, 10s, 5m or 1h";

/// Longer ones are mistakes.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

impl FromStr for Span {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        const UNITS: [(&str, u64); 5] = [
            ("ms", 1),
            ("s", 1_000),
            ("m", 60_000),
            ("h", 3_600_000),
            ("d", 86_400_000),
        ];
        let unit = UNITS.iter().find_map(|(name, millis)| {
            let digits = text.strip_suffix(name)?;
            Some((digits, *millis))
        });
        let (digits, millis) = unit.unwrap_or((text, 1_000));
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(());
        }
        let number: u64 = digits.parse().map_err(|_| ())?;
        let span = Duration::from_millis(number.checked_mul(millis).ok_or(())?);
        (!span.is_zero() && span <= LONGEST)
            .then_some(Self(span))
            .ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_nginx_reads_them() {
        for (text, millis) in [
            ("5", Some(5_000)),
            ("5s", Some(5_000)),
            ("500ms", Some(500)),
            ("10m", Some(600_000)),
            ("1h", Some(3_600_000)),
            ("1d", Some(86_400_000)),
            ("25h", None),
            ("0", None),
            ("", None),
            ("s", None),
            ("-1s", None),
            ("1.5s", None),
            ("1w", None),
            ("99999999999999999999", None),
            ("99999999999999999h", None),
        ] {
            let expected = millis.map(|millis| Span(Duration::from_millis(millis)));
            assert_eq!(text.parse().ok(), expected, "{text:?}");
        }
    }
}
