//! W3C Trace Context: `traceparent`, and `tracestate` as it goes along.

use http::{HeaderMap, HeaderName, HeaderValue};
use weir_plugin_api::TraceContext;

use super::{Parent, hex, hex_span, single};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// What is read of `tracestate`, and sent on (section 3.3.1.5 asks for no more than this).
const MAX_STATE: usize = 512;

/// What a request says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Incoming {
    pub(crate) parent: Parent,
    pub(crate) sampled: bool,
    /// `tracestate`, joined.
    pub(crate) state: String,
}

/// Reads the headers; `None` when there is no `traceparent`, or one that is to be ignored.
pub(crate) fn extract(headers: &HeaderMap) -> Option<Incoming> {
    let text = single(headers, "traceparent")?.trim();
    let mut parts = text.split('-');
    let mut part = |length: usize| parts.next().filter(|part| part.len() == length);
    let version = hex_lower(part(2)?)?;
    let trace_id = hex_lower(part(32)?)?;
    let span = part(16)?;
    let flags = hex_lower(part(2)?)?;
    // Version 0 has four parts; later ones may have more behind them.
    if version == 0xff || (version == 0 && parts.next().is_some()) || trace_id == 0 {
        return None;
    }
    hex_lower(span)?;
    Some(Incoming {
        parent: Parent {
            trace_id,
            span_id: hex_span(span)?,
        },
        sampled: flags & 1 == 1,
        state: state(headers),
    })
}

/// Digits; capital letters are not allowed (section 3.2.2).
fn hex_lower(text: &str) -> Option<u128> {
    let has_capitals = text.bytes().any(|b| b.is_ascii_uppercase());
    hex(text, &[text.len()]).filter(|_| !has_capitals)
}

/// All lines of `tracestate` as one, in their order; nothing when there is too much of it.
fn state(headers: &HeaderMap) -> String {
    let lines = headers.get_all(TRACESTATE).iter();
    let lines: Option<Vec<&str>> = lines.map(|line| line.to_str().ok()).collect();
    let lines = lines.unwrap_or_default();
    let lines: Vec<_> = lines
        .iter()
        .map(|line| line.trim())
        .filter(|line| !line.is_empty())
        .collect();
    let all = lines.join(",");
    if all.len() > MAX_STATE {
        String::new()
    } else {
        all
    }
}

/// Tells the node. What is not ours in `tracestate` goes on as it came; without a trace that it
/// belongs to, it goes.
pub(crate) fn inject(headers: &mut HeaderMap, trace: &TraceContext, has_parent: bool) {
    if let Ok(value) = HeaderValue::try_from(trace.traceparent()) {
        headers.insert(TRACEPARENT, value);
    }
    if !has_parent {
        headers.remove(TRACESTATE);
    }
}

#[cfg(test)]
mod tests {
    use weir_plugin_api::testkit::request;

    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn of(value: &str) -> Option<Incoming> {
        extract(&request("/").header("traceparent", value).head().headers)
    }

    #[test]
    fn a_traceparent_names_trace_and_span() {
        let incoming = of(GOOD).unwrap();
        assert_eq!(incoming.parent.span_id, 0xb7ad_6b71_6920_3331);
        assert!(incoming.sampled);
        assert!(!of(&GOOD.replace("-01", "-00")).unwrap().sampled);
        // What later versions add is not looked at.
        assert!(of(&GOOD.replacen("00", "cc", 1).replace("-01", "-01-x")).is_some());
    }

    #[test]
    fn malformed_ones_are_ignored() {
        let zero = "0".repeat(32);
        for value in [
            "",
            "00",
            &GOOD.to_uppercase(),
            &GOOD.replacen("00", "ff", 1),
            &format!("{GOOD}-x"),
            &format!("{GOOD}0"),
            &format!("00-{zero}-b7ad6b7169203331-01"),
            &format!("00-0af7651916cd43dd8448eb211c80319c-{}-01", &zero[..16]),
            &GOOD.replace("b7", "x7"),
        ] {
            assert_eq!(of(value), None, "{value}");
        }
        let twice = request("/")
            .header("traceparent", GOOD)
            .header("traceparent", GOOD);
        assert_eq!(extract(&twice.head().headers), None);
    }

    #[test]
    fn tracestate_goes_along_with_its_trace() {
        let mut headers = request("/")
            .header("traceparent", GOOD)
            .header("tracestate", "a=1")
            .header("tracestate", "b=2")
            .head()
            .headers;
        assert_eq!(extract(&headers).unwrap().state, "a=1,b=2");
        let trace = TraceContext {
            trace_id: 1,
            span_id: 2,
            sampled: true,
        };
        inject(&mut headers, &trace, true);
        assert_eq!(headers.get_all("tracestate").iter().count(), 2);
        let expected = "00-00000000000000000000000000000001-0000000000000002-01";
        assert_eq!(headers["traceparent"], expected);
        inject(&mut headers, &trace, false);
        assert!(!headers.contains_key("tracestate"));
    }
}
