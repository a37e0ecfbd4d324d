//! What went over each stream route, in the Prometheus text format.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use super::route::Totals;
use crate::runtime::Runtime;

type Family = (
    &'static str,
    &'static str,
    &'static str,
    fn(&Totals) -> &AtomicU64,
);

const FAMILIES: [Family; 5] = [
    ("streams_total", "counter", "Streams begun.", |totals| {
        &totals.streams
    }),
    ("streams", "gauge", "Streams that are open.", |totals| {
        &totals.open
    }),
    (
        "received_bytes_total",
        "counter",
        "Bytes from clients.",
        |totals| &totals.received,
    ),
    (
        "sent_bytes_total",
        "counter",
        "Bytes to clients.",
        |totals| &totals.sent,
    ),
    (
        "failures_total",
        "counter",
        "Streams that failed.",
        |totals| &totals.failed,
    ),
];

/// Writes the counters of the stream routes of a runtime; nothing when it has none.
pub fn write_text(runtime: &Runtime, out: &mut String) {
    if runtime.stream_routes().next().is_none() {
        return;
    }
    for (name, kind, help, number) in FAMILIES {
        let name = format!("weir_proxy_stream_route_{name}");
        // Writing into memory cannot fail.
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (key, route) in runtime.stream_routes() {
            let value = number(&route.totals).load(Ordering::Relaxed);
            let _ = writeln!(out, "{name}{{route=\"{}\"}} {value}", key.id);
        }
    }
}
