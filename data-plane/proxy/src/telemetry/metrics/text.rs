//! The metrics in the Prometheus text format.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use crate::http::h2::guard::Budget;

use super::{BOUNDS_MS, Number, WorkerMetrics, stats, total};
use crate::tls::FailureKind;

/// How a metric behaves.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Counter,
    Gauge,
}

/// One line of the table: a metric that is a plain sum over the workers.
struct Metric {
    name: &'static str,
    kind: Kind,
    help: &'static str,
    number: fn(&WorkerMetrics) -> &Number,
}

/// The plain metrics. Metrics with labels are written below, by the same rules for names.
const TABLE: [Metric; 23] = [
    counter("requests_total", "Requests begun.", |worker| {
        &worker.requests
    }),
    gauge("requests_in_flight", "Requests that are open.", |worker| {
        &worker.in_flight
    }),
    counter(
        "connections_total",
        "Client connections accepted.",
        |worker| &worker.accepted,
    ),
    gauge(
        "connections",
        "Client connections that are open.",
        |worker| &worker.connections,
    ),
    counter(
        "tls_handshakes_total",
        "TLS handshakes with clients that succeeded.",
        |worker| &worker.handshakes,
    ),
    counter(
        "tls_resumptions_total",
        "TLS handshakes with clients that resumed a session.",
        |worker| &worker.resumptions,
    ),
    counter(
        "proxy_header_failures_total",
        "Connections closed for want of a PROXY header that can be used.",
        |worker| &worker.proxy_header_failures,
    ),
    counter(
        "malformed_requests_total",
        "Connections ended for a malformed message.",
        |worker| &worker.malformed,
    ),
    counter("received_bytes_total", "Bytes of requests.", |worker| {
        &worker.received
    }),
    counter("sent_bytes_total", "Bytes of answers.", |worker| {
        &worker.sent
    }),
    counter(
        "upstream_connects_total",
        "Connections opened to nodes.",
        |worker| &worker.connects,
    ),
    counter(
        "upstream_reuses_total",
        "Requests sent on a kept connection.",
        |worker| &worker.reuses,
    ),
    counter(
        "upstream_retries_total",
        "Further tries after a failed one.",
        |worker| &worker.retries,
    ),
    counter(
        "upstream_hedges_total",
        "Tries beside a slow one.",
        |worker| &worker.hedges,
    ),
    gauge(
        "upstream_pending_requests",
        "Requests that wait for a connection whose number is limited.",
        |worker| &worker.pending,
    ),
    gauge(
        "upstream_idle_connections",
        "Idle connections to nodes.",
        |worker| &worker.idle,
    ),
    counter("streams_total", "Streams begun.", |worker| &worker.streams),
    gauge("streams", "Streams that are open.", |worker| {
        &worker.streams_open
    }),
    counter(
        "stream_received_bytes_total",
        "Bytes from clients of streams.",
        |worker| &worker.stream_received,
    ),
    counter(
        "stream_sent_bytes_total",
        "Bytes to clients of streams.",
        |worker| &worker.stream_sent,
    ),
    counter(
        "datagrams_received_total",
        "Datagrams from clients.",
        |worker| &worker.datagrams_received,
    ),
    counter("datagrams_sent_total", "Datagrams to clients.", |worker| {
        &worker.datagrams_sent
    }),
    counter(
        "datagrams_dropped_total",
        "Datagrams that found no room, or nobody to take them.",
        |worker| &worker.datagrams_dropped,
    ),
];

const fn counter(
    name: &'static str,
    help: &'static str,
    number: fn(&WorkerMetrics) -> &Number,
) -> Metric {
    Metric {
        name,
        kind: Kind::Counter,
        help,
        number,
    }
}

const fn gauge(
    name: &'static str,
    help: &'static str,
    number: fn(&WorkerMetrics) -> &Number,
) -> Metric {
    Metric {
        name,
        kind: Kind::Gauge,
        help,
        number,
    }
}

/// Writes all metrics in the Prometheus text format.
pub fn write_text(workers: &[Arc<WorkerMetrics>], access_log_dropped: u64, out: &mut String) {
    for metric in &TABLE {
        header(out, metric.name, metric.kind, metric.help);
        let value = total(workers, metric.number);
        sample(out, metric.name, "", value);
    }
    header(
        out,
        "access_log_dropped_total",
        Kind::Counter,
        "Access log lines lost.",
    );
    sample(out, "access_log_dropped_total", "", access_log_dropped);
    let stats = stats(workers, access_log_dropped);
    header(out, "responses_total", Kind::Counter, "Answers by status.");
    for (status, count) in &stats.by_status {
        sample(
            out,
            "responses_total",
            &format!("{{status=\"{status}\"}}"),
            *count,
        );
    }
    header(
        out,
        "failures_total",
        Kind::Counter,
        "Failures by reason, single tries included.",
    );
    for (reason, count) in &stats.by_reason {
        sample(
            out,
            "failures_total",
            &format!("{{reason=\"{reason}\"}}"),
            *count,
        );
    }
    write_abuses(workers, out);
    header(
        out,
        "tls_handshake_failures_total",
        Kind::Counter,
        "TLS handshakes with clients that failed, by kind.",
    );
    for kind in FailureKind::ALL {
        let counts = workers
            .iter()
            .filter_map(|worker| worker.handshake_failures.get(kind.index()));
        sample(
            out,
            "tls_handshake_failures_total",
            &format!("{{kind=\"{}\"}}", kind.as_str()),
            counts.map(Number::get).sum(),
        );
    }
    header(
        out,
        "runtime_revision",
        Kind::Gauge,
        "Revision that each worker uses.",
    );
    for (worker, revision) in stats.revisions.iter().enumerate() {
        sample(
            out,
            "runtime_revision",
            &format!("{{worker=\"{worker}\"}}"),
            *revision,
        );
    }
    write_latency(workers, out);
}

fn write_abuses(workers: &[Arc<WorkerMetrics>], out: &mut String) {
    header(
        out,
        "http2_expelled_total",
        Kind::Counter,
        "HTTP/2 connections closed because the client used up a budget.",
    );
    for (position, budget) in Budget::ALL.iter().enumerate() {
        let here = workers
            .iter()
            .filter_map(|worker| worker.abuses.get(position));
        let count = here.map(Number::get).sum();
        if count > 0 {
            let label = format!("{{budget=\"{}\"}}", budget.as_str());
            sample(out, "http2_expelled_total", &label, count);
        }
    }
}

fn write_latency(workers: &[Arc<WorkerMetrics>], out: &mut String) {
    // Writing into memory cannot fail.
    let _ = writeln!(
        out,
        "# HELP weir_proxy_request_seconds Time from request to end of answer."
    );
    let _ = writeln!(out, "# TYPE weir_proxy_request_seconds histogram");
    let mut below = 0;
    let labels = BOUNDS_MS
        .iter()
        .map(|bound| format!("{}", Duration::from_millis(*bound).as_secs_f64()))
        .chain(std::iter::once("+Inf".to_owned()));
    for (position, label) in labels.enumerate() {
        let here = workers
            .iter()
            .filter_map(|worker| worker.latency.get(position));
        below += here.map(Number::get).sum::<u64>();
        let _ = writeln!(
            out,
            "weir_proxy_request_seconds_bucket{{le=\"{label}\"}} {below}"
        );
    }
    let micros = total(workers, |worker| &worker.latency_micros);
    let seconds = Duration::from_micros(micros).as_secs_f64();
    let _ = writeln!(out, "weir_proxy_request_seconds_sum {seconds}");
    let _ = writeln!(out, "weir_proxy_request_seconds_count {below}");
}

/// Writes the lines that precede the samples of a metric.
pub(crate) fn header(out: &mut String, name: &str, kind: Kind, help: &str) {
    let kind = match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
    };
    let _ = writeln!(out, "# HELP weir_proxy_{name} {help}");
    let _ = writeln!(out, "# TYPE weir_proxy_{name} {kind}");
}

/// Writes one sample.
pub(crate) fn sample(out: &mut String, name: &str, labels: &str, value: u64) {
    let _ = writeln!(out, "weir_proxy_{name}{labels} {value}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_has_cumulative_buckets() {
        let worker = Arc::new(WorkerMetrics::default());
        worker.finished(200, Duration::from_millis(3));
        worker.finished(200, Duration::from_secs(100));
        let mut text = String::new();
        write_text(&[worker], 7, &mut text);
        assert!(text.contains("weir_proxy_request_seconds_bucket{le=\"0.005\"} 1\n"));
        assert!(text.contains("weir_proxy_request_seconds_bucket{le=\"+Inf\"} 2\n"));
        assert!(text.contains("weir_proxy_request_seconds_count 2\n"));
        assert!(text.contains("weir_proxy_access_log_dropped_total 7\n"));
        assert!(text.contains("weir_proxy_responses_total{status=\"200\"} 2\n"));
    }
}
