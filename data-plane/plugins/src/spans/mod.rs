//! What the tracing plugins share: ids, and the headers by which a trace goes on.

pub(crate) mod b3;
pub(crate) mod w3c;

use std::time::Duration;

use http::HeaderMap;
use weir_plugin_api::{Context, Host};

/// A span of somebody else that ours is a child of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parent {
    pub(crate) trace_id: u128,
    pub(crate) span_id: u64,
}

/// An id of a span, never 0.
pub(crate) fn span_id(host: &dyn Host) -> u64 {
    host.random().max(1)
}

/// An id of a trace, never 0.
pub(crate) fn trace_id(host: &dyn Host) -> u128 {
    (u128::from(host.random()) << 64 | u128::from(host.random())).max(1)
}

/// Hexadecimal digits as a number, if there are as many as one of `lengths` says.
pub(crate) fn hex(text: &str, lengths: &[usize]) -> Option<u128> {
    let is_hex = lengths.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
    is_hex
        .then(|| u128::from_str_radix(text, 16).ok())
        .flatten()
}

/// An id of a span: 16 digits, not all of them 0.
pub(crate) fn hex_span(text: &str) -> Option<u64> {
    u64::try_from(hex(text, &[16])?).ok().filter(|id| *id != 0)
}

/// A header that stands there once, as text.
fn single<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// The end of a request on both clocks: points in time of the monotonic one become points of the
/// calendar by it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End {
    monotonic: Duration,
    /// Since the epoch.
    calendar: Duration,
}

impl End {
    /// Now.
    pub(crate) fn of(context: &Context) -> Self {
        Self {
            monotonic: context.host.monotonic(),
            calendar: Duration::from_millis(context.host.unix_ms()),
        }
    }

    /// When that was.
    pub(crate) fn calendar(&self, monotonic: Duration) -> Duration {
        let ago = self.monotonic.saturating_sub(monotonic);
        self.calendar.saturating_sub(ago)
    }

    /// When the request began and ended.
    pub(crate) fn request(&self, context: &Context) -> (Duration, Duration) {
        let begun = self.calendar.saturating_sub(context.record.total);
        (begun, self.calendar)
    }
}

#[cfg(test)]
mod tests {
    use weir_plugin_api::testkit::{FakeHost, request};

    use super::*;

    #[test]
    fn ids_are_never_zero() {
        let host = FakeHost::default();
        assert_eq!(span_id(&host), 1);
        assert_eq!(trace_id(&FakeHost::default()), 1);
        assert_eq!(hex_span("0000000000000000"), None);
        assert_eq!(hex_span("00000000000000ff"), Some(255));
        assert_eq!(hex("+000000000000001", &[16]), None);
        assert_eq!(hex("f", &[16, 32]), None);
    }

    #[test]
    fn points_in_time_have_a_date() {
        let host = FakeHost::shared();
        host.advance(Duration::from_secs(5));
        let mut context = request("/").context(host);
        context.record.total = Duration::from_millis(1500);
        let end = End::of(&context);
        let at = |millis: u64| Duration::from_millis(1_700_000_000_000 + millis);
        assert_eq!(end.calendar(Duration::from_secs(4)), at(4000));
        assert_eq!(end.request(&context), (at(3500), at(5000)));
    }
}
