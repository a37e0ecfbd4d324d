//! `Cache-Control` (RFC 9111 section 5.2, RFC 5861), of requests and of answers.

use std::time::Duration;

use http::HeaderMap;
use http::header::{CACHE_CONTROL, PRAGMA};

/// Most seconds that count: RFC 9111 section 1.2.2.
const MOST: u64 = 1 << 31;

/// The directives of a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Control {
    pub(super) no_store: bool,
    pub(super) no_cache: bool,
    pub(super) private: bool,
    pub(super) public: bool,
    /// `must-revalidate`, or `proxy-revalidate`, which means the same to a cache that is shared.
    pub(super) must_revalidate: bool,
    pub(super) only_if_cached: bool,
    pub(super) max_age: Option<Duration>,
    pub(super) s_maxage: Option<Duration>,
    pub(super) min_fresh: Option<Duration>,
    /// Without a value: whatever the age.
    pub(super) max_stale: Option<Duration>,
    pub(super) stale_while_revalidate: Option<Duration>,
    pub(super) stale_if_error: Option<Duration>,
}

impl Control {
    /// The directives of these fields. Of a number that is none, the answer is not fresh.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut control = Self::default();
        let mut any = false;
        for value in headers.get_all(CACHE_CONTROL) {
            any = true;
            for directive in split(&String::from_utf8_lossy(value.as_bytes())) {
                control.add(directive);
            }
        }
        let pragma = headers.get(PRAGMA);
        if !any && pragma.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"no-cache")) {
            control.no_cache = true;
        }
        control
    }

    fn add(&mut self, directive: &str) {
        let (name, value) = match directive.split_once('=') {
            Some((name, value)) => (name, Some(value.trim().trim_matches('"'))),
            None => (directive, None),
        };
        let seconds = || Some(value.and_then(seconds).unwrap_or_default());
        match name.trim().to_ascii_lowercase().as_str() {
            "no-store" => self.no_store = true,
            // With names of fields as well: the whole answer is treated so.
            "no-cache" => self.no_cache = true,
            "private" => self.private = true,
            "public" => self.public = true,
            "must-revalidate" | "proxy-revalidate" => self.must_revalidate = true,
            "only-if-cached" => self.only_if_cached = true,
            // Of two that differ, the one that is over first.
            "max-age" => self.max_age = self.max_age.min(seconds()).or_else(seconds),
            "s-maxage" => self.s_maxage = self.s_maxage.min(seconds()).or_else(seconds),
            "min-fresh" => self.min_fresh = seconds(),
            "max-stale" => {
                self.max_stale = Some(match value {
                    None => Duration::MAX,
                    Some(value) => seconds_of(value),
                });
            }
            "stale-while-revalidate" => self.stale_while_revalidate = seconds(),
            "stale-if-error" => self.stale_if_error = seconds(),
            _ => {}
        }
    }
}

fn seconds_of(value: &str) -> Duration {
    seconds(value).unwrap_or_default()
}

fn seconds(value: &str) -> Option<Duration> {
    if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let seconds = value.parse::<u64>().unwrap_or(MOST);
    Some(Duration::from_secs(seconds.min(MOST)))
}

/// The members of a list; commas inside quotes separate nothing.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |c: char| {
        quoted ^= c == '"';
        c == ',' && !quoted
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn control(text: &str) -> Control {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, HeaderValue::from_str(text).unwrap());
        Control::of(&headers)
    }

    const fn secs(seconds: u64) -> Option<Duration> {
        Some(Duration::from_secs(seconds))
    }

    #[test]
    fn directives_are_read() {
        let found =
            control("Max-Age=60, s-maxage=\"30\" ,public, must-revalidate, stale-if-error=5, x=y");
        let expected = Control {
            max_age: secs(60),
            s_maxage: secs(30),
            public: true,
            must_revalidate: true,
            stale_if_error: secs(5),
            ..Control::default()
        };
        assert_eq!(found, expected);
        assert!(control("no-cache=\"a, no-store\"").no_cache);
        assert!(!control("no-cache=\"a, no-store\"").no_store);
        assert!(control("private=\"set-cookie\"").private);
        assert!(control("proxy-revalidate").must_revalidate);
        assert!(control("only-if-cached").only_if_cached);
        assert_eq!(control("max-stale").max_stale, Some(Duration::MAX));
        assert_eq!(control("max-stale=3, min-fresh=2").max_stale, secs(3));
        assert_eq!(
            control("stale-while-revalidate=9").stale_while_revalidate,
            secs(9)
        );
    }

    #[test]
    fn numbers_that_are_none_make_nothing_fresh() {
        for text in [
            "max-age",
            "max-age=",
            "max-age=-1",
            "max-age=1.5",
            "max-age=x",
        ] {
            assert_eq!(control(text).max_age, secs(0), "{text}");
        }
        assert_eq!(control("max-age=99999999999999999999").max_age, secs(MOST));
        assert_eq!(control("max-age=60, max-age=5").max_age, secs(5));
    }

    #[test]
    fn pragma_counts_where_nothing_else_is_said() {
        let mut headers = HeaderMap::new();
        headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
        assert!(Control::of(&headers).no_cache);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=1"));
        assert!(!Control::of(&headers).no_cache);
    }
}
