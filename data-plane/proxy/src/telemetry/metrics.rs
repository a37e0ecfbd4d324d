//! Counters of the proxy. Each worker has its own; they are added up when somebody looks.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::error::Reason;

/// Upper bounds of the latency histogram, in milliseconds.
const BOUNDS_MS: [u64; 15] = [
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000,
];
/// Statuses that are counted one by one.
const STATUSES: usize = 600;

/// A number that one thread changes and any thread reads.
#[derive(Debug, Default)]
pub struct Number(AtomicU64);

impl Number {
    /// Adds; only the owning worker may.
    pub fn add(&self, amount: u64) {
        let sum = self.0.load(Ordering::Relaxed).wrapping_add(amount);
        self.0.store(sum, Ordering::Relaxed);
    }

    /// Takes away; only the owning worker may.
    pub fn subtract(&self, amount: u64) {
        let rest = self.0.load(Ordering::Relaxed).saturating_sub(amount);
        self.0.store(rest, Ordering::Relaxed);
    }

    /// Replaces; only the owning worker may.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// The value now.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The numbers of one worker.
#[derive(Debug)]
pub struct WorkerMetrics {
    /// Requests begun.
    pub requests: Number,
    /// Requests that are open.
    pub in_flight: Number,
    /// Client connections accepted.
    pub accepted: Number,
    /// Client connections that are open.
    pub connections: Number,
    /// TLS handshakes that failed.
    pub handshake_failures: Number,
    /// Connections that hyper ended for a malformed message.
    pub malformed: Number,
    /// Bytes of requests.
    pub received: Number,
    /// Bytes of answers.
    pub sent: Number,
    /// Connections opened to nodes.
    pub connects: Number,
    /// Requests sent on a kept connection.
    pub reuses: Number,
    /// Further tries.
    pub retries: Number,
    /// Tries beside a slow one.
    pub hedges: Number,
    /// Idle connections to nodes.
    pub idle: Number,
    /// Requests that were open when a drain ended.
    pub cut_off: Number,
    /// Revision of the runtime that the worker uses.
    pub revision: Number,
    statuses: Vec<Number>,
    reasons: Vec<Number>,
    latency: Vec<Number>,
    latency_micros: Number,
}

impl Default for WorkerMetrics {
    fn default() -> Self {
        let numbers = |count| (0..count).map(|_| Number::default()).collect();
        Self {
            requests: Number::default(),
            in_flight: Number::default(),
            accepted: Number::default(),
            connections: Number::default(),
            handshake_failures: Number::default(),
            malformed: Number::default(),
            received: Number::default(),
            sent: Number::default(),
            connects: Number::default(),
            reuses: Number::default(),
            retries: Number::default(),
            hedges: Number::default(),
            idle: Number::default(),
            cut_off: Number::default(),
            revision: Number::default(),
            statuses: numbers(STATUSES),
            reasons: numbers(Reason::ALL.len()),
            latency: numbers(BOUNDS_MS.len() + 1),
            latency_micros: Number::default(),
        }
    }
}

impl WorkerMetrics {
    /// Counts a failure, also of a single try.
    pub fn failed(&self, reason: Reason) {
        if let Some(number) = self.reasons.get(reason.index()) {
            number.add(1);
        }
    }

    /// Counts a finished request.
    pub fn finished(&self, status: u16, total: Duration) {
        if let Some(number) = self.statuses.get(usize::from(status)) {
            number.add(1);
        }
        let ms = total.as_millis();
        let bucket = BOUNDS_MS.iter().position(|bound| ms <= u128::from(*bound));
        if let Some(number) = self.latency.get(bucket.unwrap_or(BOUNDS_MS.len())) {
            number.add(1);
        }
        self.latency_micros
            .add(u64::try_from(total.as_micros()).unwrap_or(u64::MAX));
    }
}

/// Sums over all workers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Requests begun.
    pub requests: u64,
    /// Requests that are open.
    pub in_flight: u64,
    /// Client connections accepted.
    pub accepted: u64,
    /// Client connections that are open.
    pub connections: u64,
    /// Connections opened to nodes.
    pub upstream_connects: u64,
    /// Requests sent on a kept connection.
    pub upstream_reuses: u64,
    /// Further tries.
    pub retries: u64,
    /// Answers by status; only statuses that occurred.
    pub by_status: BTreeMap<u16, u64>,
    /// Failures by reason, tries included; only reasons that occurred.
    pub by_reason: BTreeMap<&'static str, u64>,
    /// Revision of the runtime that each worker uses; 0 before the first.
    pub revisions: Vec<u64>,
    /// Lines that the access log lost.
    pub access_log_dropped: u64,
}

/// Adds the workers up.
#[must_use]
pub fn stats(workers: &[Arc<WorkerMetrics>], access_log_dropped: u64) -> Stats {
    let sum = |number: fn(&WorkerMetrics) -> &Number| total(workers, number);
    let mut by_status = BTreeMap::new();
    let mut by_reason = BTreeMap::new();
    for worker in workers {
        for (status, number) in (0..).zip(&worker.statuses) {
            if number.get() > 0 {
                *by_status.entry(status).or_default() += number.get();
            }
        }
        for (reason, number) in Reason::ALL.iter().zip(&worker.reasons) {
            if number.get() > 0 {
                *by_reason.entry(reason.as_str()).or_default() += number.get();
            }
        }
    }
    Stats {
        requests: sum(|worker| &worker.requests),
        in_flight: sum(|worker| &worker.in_flight),
        accepted: sum(|worker| &worker.accepted),
        connections: sum(|worker| &worker.connections),
        upstream_connects: sum(|worker| &worker.connects),
        upstream_reuses: sum(|worker| &worker.reuses),
        retries: sum(|worker| &worker.retries),
        by_status,
        by_reason,
        revisions: workers.iter().map(|worker| worker.revision.get()).collect(),
        access_log_dropped,
    }
}

fn total(workers: &[Arc<WorkerMetrics>], number: fn(&WorkerMetrics) -> &Number) -> u64 {
    workers.iter().map(|worker| number(worker).get()).sum()
}

/// How a metric behaves.
#[derive(Debug, Clone, Copy)]
enum Kind {
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
const TABLE: [Metric; 13] = [
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
        "tls_handshake_failures_total",
        "TLS handshakes that failed.",
        |worker| &worker.handshake_failures,
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
        "upstream_idle_connections",
        "Idle connections to nodes.",
        |worker| &worker.idle,
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

fn header(out: &mut String, name: &str, kind: Kind, help: &str) {
    let kind = match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
    };
    let _ = writeln!(out, "# HELP weir_proxy_{name} {help}");
    let _ = writeln!(out, "# TYPE weir_proxy_{name} {kind}");
}

fn sample(out: &mut String, name: &str, labels: &str, value: u64) {
    let _ = writeln!(out, "weir_proxy_{name}{labels} {value}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_added_up() {
        let workers = [Arc::new(WorkerMetrics::default()), Arc::default()];
        for worker in &workers {
            worker.requests.add(2);
            worker.finished(200, Duration::from_millis(3));
            worker.failed(Reason::NoRoute);
        }
        let stats = stats(&workers, 0);
        assert_eq!(stats.requests, 4);
        assert_eq!(stats.by_status, BTreeMap::from([(200, 2)]));
        assert_eq!(stats.by_reason, BTreeMap::from([("no_route", 2)]));
    }

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
