//! Streams in the access log: the same file as requests, with `"kind":"stream"`.

use std::time::{Instant, SystemTime};

use weir_plugin_api::StreamContext;
use weir_plugin_api::stream::Transport;

use crate::telemetry::access_log::Timestamp;
use crate::telemetry::json::Line;
use crate::telemetry::tries::Tries;

/// A finished stream.
pub(super) struct Entry<'a> {
    /// What plugins saw of it.
    pub(super) context: &'a StreamContext,
    /// Its tries.
    pub(super) tries: &'a Tries,
    /// Why the last try, which failed, was not followed by another; else empty.
    pub(super) not_retried: &'static str,
    /// When it began.
    pub(super) began: Instant,
}

/// One line: what nginx' stream log tells, as JSON. Fields without a value are left out; durations
/// are milliseconds.
pub(super) fn write_line(entry: &Entry<'_>, now: SystemTime, out: &mut String) {
    let Entry { context, tries, .. } = entry;
    let (head, record) = (&context.head, &context.record);
    let mut line = Line::begin(out);
    line.quoted("time", Timestamp(now));
    line.text("kind", "stream");
    line.text("stream_id", &record.id);
    line.quoted("client", head.client_ip());
    line.plain("client_port", head.client.port());
    line.quoted("server", head.local);
    line.text("protocol", head.transport.as_str());
    line.some_text("sni", head.server_name.as_deref().unwrap_or_default());
    line.plain("status", record.status);
    line.plain("received_bytes", record.received);
    line.plain("sent_bytes", record.sent);
    if head.transport == Transport::Udp {
        line.plain("received_datagrams", record.datagrams_received);
        line.plain("sent_datagrams", record.datagrams_sent);
    }
    if let Some(route) = &context.route {
        line.some_text("route_id", &route.id);
        line.some_text("service_id", &route.service_id);
    }
    if !tries.is_empty() {
        line.quoted("upstream_addr", tries);
    }
    line.some_text("reason", record.reason);
    line.some_text("not_retried", entry.not_retried);
    line.milliseconds("total_ms", record.total);
    if !tries.is_empty() {
        line.milliseconds("connect_ms", record.connect);
        tries.write(&mut line, entry.began);
    }
    line.end();
}
