//! Numbers and addresses as text. What formatting does takes several times as long, and there are some
//! with every request.

use std::net::IpAddr;

/// Digits of the largest number.
const DIGITS: usize = 20;

/// A number in decimal.
#[derive(Debug, Clone, Copy)]
pub struct Decimal {
    digits: [u8; DIGITS],
    start: usize,
}

impl Decimal {
    /// Writes a number.
    #[must_use]
    pub fn new(mut number: u64) -> Self {
        let mut digits = [b'0'; DIGITS];
        let mut start = DIGITS;
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + u8::try_from(number % 10).unwrap_or(0);
            number /= 10;
            start -= 1;
            if number == 0 {
                break;
            }
        }
        Self { digits, start }
    }

    /// The digits.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.digits.get(self.start..).unwrap_or_default()
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

/// An address, as it displays.
#[must_use]
pub fn ip_text(address: IpAddr) -> String {
    let IpAddr::V4(address) = address else {
        return address.to_string();
    };
    let mut text = String::with_capacity(15);
    for (at, part) in address.octets().into_iter().enumerate() {
        if at > 0 {
            text.push('.');
        }
        if part >= 100 {
            text.push(char::from(b'0' + part / 100));
        }
        if part >= 10 {
            text.push(char::from(b'0' + part / 10 % 10));
        }
        text.push(char::from(b'0' + part % 10));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_they_display() {
        for number in [0, 7, 10, 99, 100, 1_000, 65_536, u64::MAX / 10, u64::MAX] {
            assert_eq!(Decimal::new(number).as_str(), number.to_string());
        }
    }

    #[test]
    fn addresses_are_written_as_they_display() {
        for text in [
            "0.0.0.0",
            "1.20.30.255",
            "255.255.255.255",
            "100.99.10.9",
            "::1",
            "::ffff:1.2.3.4",
            "2001:db8::7",
        ] {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!(ip_text(address), text);
        }
    }
}
