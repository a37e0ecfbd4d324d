//! The section `proxy.limits`: what clients may take. Names, defaults and answers stand in
//! `docs/limits.md`.

use serde_json::Value;
use weir_proxy::gateway::{Cap, Limits};

use super::document::Section;
use super::size::{self, Size};
use super::span::{self, Span};

/// Largest head, or part of one: it is held whole.
const MOST_HEAD: u64 = 1 << 20;
/// Smallest ceiling for memory that the process can start under.
const LEAST_MEMORY: u64 = 32 << 20;

/// Reads the section into `limits`.
pub(super) fn read(section: &mut Section<'_>, limits: &mut Limits) {
    bytes(section, "header_bytes", 8 << 10, &mut limits.header_bytes);
    bytes(section, "header_field_bytes", 256, &mut limits.header_field);
    bytes(section, "uri_bytes", 64, &mut limits.uri_length);
    bytes(section, "trailer_bytes", 0, &mut limits.trailer_bytes);
    bytes(
        section,
        "chunk_extension_bytes",
        0,
        &mut limits.chunk_extension,
    );
    count(section, "header_count", 1..=1_000, &mut limits.header_count);
    count(
        section,
        "trailer_count",
        0..=1_000,
        &mut limits.trailer_count,
    );
    count(
        section,
        "http2_streams",
        1..=10_000,
        &mut limits.http2_streams,
    );
    count(section, "pending", 0..=1_000_000, &mut limits.pending);
    let times = [
        ("header_time", &mut limits.header),
        ("handshake_time", &mut limits.handshake),
        ("idle_time", &mut limits.idle),
        ("send_time", &mut limits.send),
        ("body_time", &mut limits.body),
        ("body_rate_grace", &mut limits.body_rate_grace),
    ];
    for (name, field) in times {
        if let Some(Span(time)) = section.parsed(name, span::EXPECTED) {
            *field = time;
        }
    }
    if let Some(Size(rate)) = section.parsed("body_rate", size::EXPECTED) {
        limits.body_rate = rate;
    }
    let caps = [
        ("connections", &mut limits.connections),
        (
            "connections_per_address",
            &mut limits.connections_per_address,
        ),
        ("requests", &mut limits.requests),
    ];
    for (name, field) in caps {
        cap(
            section,
            name,
            "a number of 1 or more, auto or off",
            1,
            field,
        );
    }
    let expected = "a size of 32m or more, auto or off";
    cap(
        section,
        "memory",
        expected,
        LEAST_MEMORY,
        &mut limits.memory,
    );
    if let Some(adaptive) = section.switch("adaptive") {
        limits.adaptive = adaptive;
    }
}

fn bytes(section: &mut Section<'_>, name: &'static str, least: u64, field: &mut usize) {
    let Some(Size(bytes)) = section.parsed(name, size::EXPECTED) else {
        return;
    };
    match usize::try_from(bytes) {
        Ok(size) if (least..=MOST_HEAD).contains(&bytes) => *field = size,
        _ => section.refuse(
            name,
            &format!("from {least} to {MOST_HEAD} bytes"),
            &Value::from(bytes),
        ),
    }
}

fn count<T>(
    section: &mut Section<'_>,
    name: &'static str,
    range: std::ops::RangeInclusive<u32>,
    field: &mut T,
) where
    T: TryFrom<u32>,
{
    let (least, most) = (range.start(), range.end());
    let expected = format!("a number from {least} to {most}");
    let Some(number) = section.parsed::<u32>(name, &expected) else {
        return;
    };
    match T::try_from(number) {
        Ok(value) if range.contains(&number) => *field = value,
        _ => section.refuse(name, &expected, &Value::from(number)),
    }
}

fn cap(section: &mut Section<'_>, name: &'static str, expected: &str, least: u64, field: &mut Cap) {
    let Some(text) = section.text_or_off(name) else {
        return;
    };
    *field = match (text.as_str(), text.parse()) {
        ("auto", _) => Cap::Derived,
        ("off", _) => Cap::Off,
        (_, Ok(Size(number))) if number >= least => Cap::At(number),
        _ => return section.refuse(name, expected, &Value::String(text)),
    };
}
