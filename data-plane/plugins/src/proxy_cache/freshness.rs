//! Whether an answer may be kept, and how long it lives: RFC 9111 sections 3 and 4.2.

use std::time::Duration;

use http::header::{AGE, CONTENT_RANGE, DATE, EXPIRES, HeaderName, SET_COOKIE, VARY};
use http::{HeaderMap, StatusCode};

use super::control::Control;

/// Seconds for which nginx keeps an answer, whatever else it says.
const ACCEL_EXPIRES: HeaderName = HeaderName::from_static("x-accel-expires");

/// Rules of the configuration.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub(super) statuses: Vec<u16>,
    pub(super) cache_control: bool,
    pub(super) set_cookie: bool,
    /// Whether answers of the disk strategy say themselves how long they live.
    pub(super) by_answer: bool,
    /// Life of an answer that says nothing, where that is allowed.
    pub(super) ttl: Duration,
}

/// How long an answer is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Life {
    /// Age that it had when it came.
    pub(super) age: Duration,
    /// Age up to which it is fresh.
    pub(super) fresh: Duration,
    /// Time after that in which it is used while somebody fetches a new one.
    pub(super) while_revalidating: Duration,
    /// Time after that in which it is used when no new one can be had.
    pub(super) if_error: Duration,
    /// Whether clients may ask for it when it is stale.
    pub(super) stale_allowed: bool,
}

/// What of the request counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    /// It carried credentials.
    pub(super) authorized: bool,
    /// Its key says who asked.
    pub(super) personal: bool,
}

impl Rules {
    /// How long an answer lives; `None` when it is not kept. `now` is in seconds since the epoch.
    pub(super) fn life(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        asked: Asked,
        now: u64,
    ) -> Option<Life> {
        let control = Control::of(headers);
        let shared = control.public || control.s_maxage.is_some() || control.must_revalidate;
        let refused = !self.statuses.contains(&status.as_u16())
            || status == StatusCode::PARTIAL_CONTENT
            || status == StatusCode::NOT_MODIFIED
            || headers.contains_key(CONTENT_RANGE)
            || control.no_store
            || control.no_cache
            || control.private
            || (headers.contains_key(SET_COOKIE) && !self.set_cookie)
            || headers.get_all(VARY).iter().any(|value| {
                value.as_bytes().split(|byte| *byte == b',').any(|name| name.trim_ascii() == b"*")
            })
            // Of a request with credentials, unless the key keeps others away (section 3.5).
            || (asked.authorized && !asked.personal && !shared);
        if refused {
            return None;
        }
        let fresh = self.fresh(headers, &control, now)?;
        let stale = |time: Option<Duration>| match time {
            Some(time) if self.cache_control && !control.must_revalidate => time,
            _ => Duration::ZERO,
        };
        Some(Life {
            age: if self.cache_control || self.by_answer {
                age(headers, now)
            } else {
                Duration::ZERO
            },
            fresh,
            while_revalidating: stale(control.stale_while_revalidate),
            if_error: stale(control.stale_if_error),
            stale_allowed: self.cache_control
                && !control.must_revalidate
                && control.s_maxage.is_none(),
        })
    }

    fn fresh(&self, headers: &HeaderMap, control: &Control, now: u64) -> Option<Duration> {
        if !self.cache_control && !self.by_answer {
            return Some(self.ttl);
        }
        let accel = || {
            let seconds = headers.get(&ACCEL_EXPIRES)?.to_str().ok()?.parse().ok()?;
            Some(Duration::from_secs(seconds))
        };
        let accel = if self.by_answer { accel() } else { None };
        let told = accel
            .or(control.s_maxage)
            .or(control.max_age)
            .or_else(|| expires(headers, now));
        let fresh = match told {
            Some(told) => told,
            // What says nothing is not kept when answers shall say.
            None if self.cache_control && !self.by_answer => return None,
            None => self.ttl,
        };
        (fresh > age(headers, now)).then_some(fresh)
    }
}

/// Seconds since the epoch of a date field.
fn date(headers: &HeaderMap, name: HeaderName) -> Option<u64> {
    let text = headers.get(name)?.to_str().ok()?;
    let time = httpdate::parse_http_date(text).ok()?;
    Some(time.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs())
}

/// `Expires`; one that is no date is over (section 5.3).
fn expires(headers: &HeaderMap, now: u64) -> Option<Duration> {
    headers.get(EXPIRES)?;
    let until = date(headers, EXPIRES).unwrap_or_default();
    let from = date(headers, DATE).unwrap_or(now);
    Some(Duration::from_secs(until.saturating_sub(from)))
}

/// The age that an answer has when it comes (section 4.2.3).
fn age(headers: &HeaderMap, now: u64) -> Duration {
    let told = headers.get(AGE).and_then(|value| value.to_str().ok());
    let told = told.and_then(|value| value.parse().ok()).unwrap_or(0);
    let apparent = date(headers, DATE).map_or(0, |date| now.saturating_sub(date));
    Duration::from_secs(apparent.max(told))
}

#[cfg(test)]
mod tests {
    use weir_plugin_api::testkit::response;

    use super::*;

    const NOW: u64 = 784_111_777;
    const NOW_TEXT: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const LATER: &str = "Sun, 06 Nov 1994 08:50:37 GMT";
    const ANYBODY: Asked = Asked {
        authorized: false,
        personal: false,
    };

    fn rules(cache_control: bool, by_answer: bool) -> Rules {
        Rules {
            statuses: vec![200, 206, 304],
            cache_control,
            set_cookie: false,
            by_answer,
            ttl: Duration::from_secs(300),
        }
    }

    fn fresh(rules: &Rules, headers: &[(&str, &str)]) -> Option<u64> {
        let head = response(200, headers);
        let life = rules.life(head.status, &head.headers, ANYBODY, NOW);
        life.map(|life| life.fresh.as_secs())
    }

    #[test]
    fn memory_keeps_for_the_configured_time() {
        let memory = rules(false, false);
        assert_eq!(fresh(&memory, &[]), Some(300));
        assert_eq!(fresh(&memory, &[("cache-control", "max-age=5")]), Some(300));
        let old = rules(false, true);
        assert_eq!(fresh(&old, &[]), Some(300));
        assert_eq!(
            fresh(
                &old,
                &[("x-accel-expires", "7"), ("cache-control", "max-age=5")]
            ),
            Some(7)
        );
    }

    #[test]
    fn answers_say_how_long_they_live() {
        let rules = rules(true, false);
        for (headers, expected) in [
            (vec![], None),
            (vec![("cache-control", "max-age=5")], Some(5)),
            (vec![("cache-control", "max-age=5, s-maxage=7")], Some(7)),
            (vec![("cache-control", "max-age=0")], None),
            (vec![("cache-control", "max-age=5"), ("age", "4")], Some(5)),
            (vec![("cache-control", "max-age=5"), ("age", "5")], None),
            (vec![("expires", LATER), ("date", NOW_TEXT)], Some(60)),
            (vec![("expires", LATER)], Some(60)),
            (vec![("expires", NOW_TEXT)], None),
            (vec![("expires", "0")], None),
            (
                vec![("expires", LATER), ("cache-control", "max-age=1")],
                Some(1),
            ),
            (vec![("x-accel-expires", "7")], None),
        ] {
            assert_eq!(fresh(&rules, &headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn some_answers_are_never_kept() {
        for rules in [rules(true, false), rules(false, false), rules(false, true)] {
            for header in [
                ("cache-control", "max-age=9, no-store"),
                ("cache-control", "max-age=9, no-cache"),
                ("cache-control", "max-age=9, Private"),
                ("set-cookie", "a=b"),
                ("vary", "accept, *"),
                ("content-range", "bytes 0-1/2"),
            ] {
                let headers = [("expires", LATER), header];
                assert_eq!(fresh(&rules, &headers), None, "{header:?}");
            }
        }
        for status in [206, 304, 500] {
            let head = response(status, &[]);
            let life = rules(false, false).life(head.status, &head.headers, ANYBODY, NOW);
            assert_eq!(life, None, "{status}");
        }
        let mut cookies = rules(false, false);
        cookies.set_cookie = true;
        assert_eq!(fresh(&cookies, &[("set-cookie", "a=b")]), Some(300));
    }

    #[test]
    fn answers_to_credentials_are_kept_when_they_are_for_all_or_for_one() {
        let kept = |personal: bool, control: &str| {
            let head = response(200, &[("cache-control", control)]);
            let asked = Asked {
                authorized: true,
                personal,
            };
            let life = rules(true, false).life(head.status, &head.headers, asked, NOW);
            life.is_some()
        };
        assert!(!kept(false, "max-age=5"));
        assert!(kept(true, "max-age=5"));
        assert!(kept(false, "max-age=5, public"));
        assert!(kept(false, "s-maxage=5"));
        assert!(kept(false, "max-age=5, must-revalidate"));
    }

    #[test]
    fn staleness_is_allowed_by_the_answer() {
        let life = |control: &str| {
            let head = response(200, &[("cache-control", control), ("age", "1")]);
            let life = rules(true, false).life(head.status, &head.headers, ANYBODY, NOW);
            life.unwrap()
        };
        let allowed = life("max-age=5, stale-while-revalidate=6, stale-if-error=7");
        assert_eq!(allowed.age.as_secs(), 1);
        assert_eq!(allowed.while_revalidating.as_secs(), 6);
        assert_eq!(allowed.if_error.as_secs(), 7);
        assert!(allowed.stale_allowed);
        let strict = life("max-age=5, stale-if-error=7, must-revalidate");
        assert_eq!(strict.if_error, Duration::ZERO);
        assert!(!strict.stale_allowed);
    }
}
