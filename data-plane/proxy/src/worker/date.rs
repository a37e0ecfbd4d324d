//! The `Date` field of answers, made once a second by the heartbeat of the worker.

use std::cell::RefCell;
use std::time::{Duration, SystemTime};

use http::HeaderValue;

/// The field of the current second.
pub struct Date {
    made: RefCell<(SystemTime, HeaderValue)>,
}

impl Date {
    /// The field of `now`.
    #[must_use]
    pub fn new(now: SystemTime) -> Self {
        Self {
            made: RefCell::new(made(now)),
        }
    }

    /// The field of the last heartbeat (RFC 9110 section 6.6.1).
    #[must_use]
    pub fn value(&self) -> HeaderValue {
        self.made.borrow().1.clone()
    }

    /// It is `now`.
    pub fn advance(&self, now: SystemTime) {
        let mut known = self.made.borrow_mut();
        let age = now.duration_since(known.0);
        if age.is_err() || age.is_ok_and(|age| age >= Duration::from_secs(1)) {
            *known = made(now);
        }
    }
}

/// The second in which `now` is, and its field.
fn made(now: SystemTime) -> (SystemTime, HeaderValue) {
    let since = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let second = SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs());
    let text = httpdate::fmt_http_date(second);
    // The text is ASCII; an empty field stands for what cannot be.
    let field = HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""));
    (second, field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn date_follows_the_clock_both_ways() {
        let second = |seconds: u64, nanos| SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos);
        let date = Date::new(second(784_111_777, 0));
        let at = |now| {
            date.advance(now);
            date.value()
        };
        assert_eq!(
            at(second(784_111_777, 999_999_999)),
            "Sun, 06 Nov 1994 08:49:37 GMT"
        );
        assert_eq!(at(second(784_111_778, 0)), "Sun, 06 Nov 1994 08:49:38 GMT");
        assert_eq!(at(second(784_111_700, 5)), "Sun, 06 Nov 1994 08:48:20 GMT");
    }
}
