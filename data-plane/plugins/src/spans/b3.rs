//! B3 propagation (openzipkin/b3-propagation): one header, or several.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Parent, hex, hex_span, single};

const SINGLE: HeaderName = HeaderName::from_static("b3");
const TRACE_ID: HeaderName = HeaderName::from_static("x-b3-traceid");
const SPAN_ID: HeaderName = HeaderName::from_static("x-b3-spanid");
const PARENT_ID: HeaderName = HeaderName::from_static("x-b3-parentspanid");
const SAMPLED: HeaderName = HeaderName::from_static("x-b3-sampled");
const FLAGS: HeaderName = HeaderName::from_static("x-b3-flags");

/// What the sender says of sampling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Not sampled.
    Deny,
    /// Sampled.
    Accept,
    /// Sampled, whatever any ratio says.
    Debug,
}

/// What a request says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Incoming {
    pub(crate) parent: Option<Parent>,
    /// Whether the id of the trace has 64 bits only.
    pub(crate) is_short: bool,
    /// The span above the parent.
    pub(crate) grandparent: Option<u64>,
    pub(crate) decision: Option<Decision>,
}

/// A `b3` header that says nothing that can be understood.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Reads the headers. The single one wins, and must be well formed; what is malformed among the
/// others is as if it were not there.
pub(crate) fn extract(headers: &HeaderMap) -> Result<Incoming, Malformed> {
    if headers.contains_key(SINGLE) {
        return parse(single(headers, "b3").ok_or(Malformed)?);
    }
    let text = |name: HeaderName| single(headers, name.as_str());
    let decision = match (text(FLAGS), text(SAMPLED)) {
        (Some("1"), _) => Some(Decision::Debug),
        (_, Some("1" | "true")) => Some(Decision::Accept),
        (_, Some("0" | "false")) => Some(Decision::Deny),
        _ => None,
    };
    let trace = text(TRACE_ID).unwrap_or_default();
    let parent = ids(trace, text(SPAN_ID).unwrap_or_default());
    Ok(Incoming {
        parent,
        is_short: parent.is_some() && trace.len() == 16,
        grandparent: text(PARENT_ID).and_then(hex_span),
        decision,
    })
}

fn ids(trace: &str, span: &str) -> Option<Parent> {
    let trace_id = hex(trace, &[16, 32]).filter(|id| *id != 0)?;
    Some(Parent {
        trace_id,
        span_id: hex_span(span)?,
    })
}

fn parse(text: &str) -> Result<Incoming, Malformed> {
    let mut parts = text.split('-');
    let first = parts.next().unwrap_or_default();
    let Some(span) = parts.next() else {
        return Ok(Incoming {
            decision: Some(decision(first)?),
            ..Incoming::default()
        });
    };
    let parent = ids(first, span).ok_or(Malformed)?;
    let decision = parts.next().map(decision).transpose()?;
    let grandparent = parts.next().map(|id| hex_span(id).ok_or(Malformed));
    if parts.next().is_some() {
        return Err(Malformed);
    }
    Ok(Incoming {
        parent: Some(parent),
        is_short: first.len() == 16,
        grandparent: grandparent.transpose()?,
        decision,
    })
}

fn decision(text: &str) -> Result<Decision, Malformed> {
    match text {
        "0" => Ok(Decision::Deny),
        "1" => Ok(Decision::Accept),
        "d" => Ok(Decision::Debug),
        _ => Err(Malformed),
    }
}

/// What the node is told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outgoing {
    pub(crate) trace_id: u128,
    /// Whether the id of the trace is written with 64 bits.
    pub(crate) is_short: bool,
    pub(crate) span_id: u64,
    pub(crate) parent_id: Option<u64>,
    pub(crate) decision: Decision,
}

/// Sets the several headers, and removes the single one.
pub(crate) fn inject(headers: &mut HeaderMap, outgoing: &Outgoing) {
    headers.remove(SINGLE);
    let trace = match outgoing.is_short {
        true => format!("{:016x}", outgoing.trace_id),
        false => format!("{:032x}", outgoing.trace_id),
    };
    set(headers, TRACE_ID, Some(&trace));
    set(
        headers,
        SPAN_ID,
        Some(&format!("{:016x}", outgoing.span_id)),
    );
    let parent = outgoing.parent_id.map(|id| format!("{id:016x}"));
    set(headers, PARENT_ID, parent.as_deref());
    let flags = (outgoing.decision == Decision::Debug).then_some("1");
    set(headers, FLAGS, flags);
    let sampled = match outgoing.decision {
        Decision::Deny => "0",
        Decision::Accept | Decision::Debug => "1",
    };
    set(headers, SAMPLED, Some(sampled));
}

/// Tells the node that nothing is sampled, with the ids that the request came with.
pub(crate) fn deny(headers: &mut HeaderMap, incoming: &Incoming) {
    if let Some(parent) = incoming.parent {
        inject(
            headers,
            &Outgoing {
                trace_id: parent.trace_id,
                is_short: incoming.is_short,
                span_id: parent.span_id,
                parent_id: incoming.grandparent,
                decision: Decision::Deny,
            },
        );
    } else {
        headers.remove(SINGLE);
        headers.remove(FLAGS);
        set(headers, SAMPLED, Some("0"));
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: Option<&str>) {
    // What is written are digits.
    match value.and_then(|value| HeaderValue::from_str(value).ok()) {
        Some(value) => headers.insert(name, value),
        None => headers.remove(name),
    };
}

#[cfg(test)]
mod tests {
    use weir_plugin_api::testkit::request;

    use super::*;

    const TRACE: &str = "80f198ee56343ba864fe8b2a57d3eff7";
    const SPAN: &str = "e457b5a2e4d86bd1";

    fn of(headers: &[(&str, &str)]) -> Result<Incoming, Malformed> {
        let request = headers.iter().fold(request("/"), |request, (name, value)| {
            request.header(name, value)
        });
        extract(&request.head().headers)
    }

    #[test]
    fn one_header_says_all() {
        let full = format!("{TRACE}-{SPAN}-d-05e3ac9a4f6e3b90");
        let incoming = of(&[("b3", &full), ("x-b3-sampled", "0")]).unwrap();
        let parent = incoming.parent.unwrap();
        assert_eq!(format!("{:x}", parent.trace_id), TRACE);
        assert_eq!(format!("{:x}", parent.span_id), SPAN);
        assert_eq!(incoming.grandparent, Some(0x05e3_ac9a_4f6e_3b90));
        assert_eq!(incoming.decision, Some(Decision::Debug));
        assert!(!incoming.is_short);
        let short = of(&[("b3", &format!("{SPAN}-{SPAN}"))]).unwrap();
        assert!(short.is_short);
        assert_eq!(short.decision, None);
        for (text, decision) in [
            ("0", Decision::Deny),
            ("1", Decision::Accept),
            ("d", Decision::Debug),
        ] {
            assert_eq!(of(&[("b3", text)]).unwrap().decision, Some(decision));
        }
    }

    #[test]
    fn a_single_header_must_be_well_formed() {
        let wrong = [
            String::new(),
            "2".into(),
            TRACE.into(),
            format!("{TRACE}-"),
            format!("{TRACE}-xyz"),
            format!("{TRACE}-{SPAN}-2"),
            format!("{TRACE}-{SPAN}-1-1"),
            format!("{TRACE}-{SPAN}-1-{SPAN}-1"),
            format!("{TRACE}-0000000000000000-1"),
        ];
        for text in wrong {
            assert_eq!(of(&[("b3", &text)]), Err(Malformed), "{text}");
        }
        assert_eq!(of(&[("b3", "0"), ("b3", "1")]), Err(Malformed));
    }

    #[test]
    fn of_several_headers_the_malformed_ones_do_not_count() {
        let incoming = of(&[
            ("x-b3-traceid", SPAN),
            ("x-b3-spanid", SPAN),
            ("x-b3-parentspanid", "x"),
            ("x-b3-sampled", "true"),
        ]);
        let incoming = incoming.unwrap();
        assert!(incoming.is_short && incoming.parent.is_some());
        assert_eq!(incoming.grandparent, None);
        assert_eq!(incoming.decision, Some(Decision::Accept));
        let wrong = of(&[
            ("x-b3-traceid", "1"),
            ("x-b3-spanid", SPAN),
            ("x-b3-sampled", "no"),
        ]);
        assert_eq!(wrong, Ok(Incoming::default()));
        let debug = of(&[("x-b3-flags", "1"), ("x-b3-sampled", "0")]).unwrap();
        assert_eq!(debug.decision, Some(Decision::Debug));
    }

    #[test]
    fn what_is_denied_keeps_its_ids() {
        let mut headers = request("/")
            .header("b3", &format!("{SPAN}-{SPAN}-0"))
            .head()
            .headers;
        let incoming = extract(&headers).unwrap();
        deny(&mut headers, &incoming);
        assert_eq!(headers.len(), 3);
        assert_eq!(headers["x-b3-traceid"], SPAN);
        assert_eq!(headers["x-b3-spanid"], SPAN);
        assert_eq!(headers["x-b3-sampled"], "0");
    }
}
