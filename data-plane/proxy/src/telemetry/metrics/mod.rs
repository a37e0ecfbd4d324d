//! Counters of the proxy. Each worker has its own; they are added up when somebody looks.

pub(crate) mod text;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::error::Reason;
use crate::http::h2::guard::Budget;
use crate::tls::FailureKind;
use crate::upstream::census::NodeConnections;

pub use text::write_text;

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

/// Connections by node: a list that one thread replaces and any thread reads.
#[derive(Debug, Default)]
pub struct Nodes(Mutex<Vec<NodeConnections>>);

impl Nodes {
    /// Replaces the list.
    pub fn set(&self, nodes: Vec<NodeConnections>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = nodes;
    }

    fn get(&self) -> Vec<NodeConnections> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
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
    /// TLS handshakes that succeeded.
    pub handshakes: Number,
    /// Those of them that resumed a session.
    pub resumptions: Number,
    /// Connections closed for want of a PROXY header that can be used.
    pub proxy_header_failures: Number,
    /// Connections ended for a malformed message.
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
    /// Connections to each node, as of a second ago.
    pub nodes: Nodes,
    /// Requests that wait for a connection whose number is limited.
    pub pending: Number,
    /// Requests that were open when a drain ended.
    pub cut_off: Number,
    /// Streams (TCP connections and UDP sessions) begun.
    pub streams: Number,
    /// Streams that are open.
    pub streams_open: Number,
    /// Bytes from clients of streams.
    pub stream_received: Number,
    /// Bytes to clients of streams.
    pub stream_sent: Number,
    /// Datagrams from clients.
    pub datagrams_received: Number,
    /// Datagrams to clients.
    pub datagrams_sent: Number,
    /// Datagrams that found no room, or nobody to take them.
    pub datagrams_dropped: Number,
    /// Revision of the runtime that the worker uses.
    pub revision: Number,
    statuses: Vec<Number>,
    reasons: Vec<Number>,
    abuses: Vec<Number>,
    handshake_failures: Vec<Number>,
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
            handshakes: Number::default(),
            resumptions: Number::default(),
            proxy_header_failures: Number::default(),
            malformed: Number::default(),
            received: Number::default(),
            sent: Number::default(),
            connects: Number::default(),
            reuses: Number::default(),
            retries: Number::default(),
            hedges: Number::default(),
            idle: Number::default(),
            nodes: Nodes::default(),
            pending: Number::default(),
            cut_off: Number::default(),
            streams: Number::default(),
            streams_open: Number::default(),
            stream_received: Number::default(),
            stream_sent: Number::default(),
            datagrams_received: Number::default(),
            datagrams_sent: Number::default(),
            datagrams_dropped: Number::default(),
            revision: Number::default(),
            statuses: numbers(STATUSES),
            reasons: numbers(Reason::ALL.len()),
            abuses: numbers(Budget::ALL.len()),
            handshake_failures: numbers(FailureKind::ALL.len()),
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

    /// Counts a client of HTTP/2 that was told to go.
    pub fn abused(&self, budget: Budget) {
        if let Some(number) = self.abuses.get(budget as usize) {
            number.add(1);
        }
    }

    /// Counts a TLS handshake that failed.
    pub fn handshake_failed(&self, kind: FailureKind) {
        if let Some(number) = self.handshake_failures.get(kind.index()) {
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
    /// Idle connections to nodes.
    pub upstream_idle: u64,
    /// Connections to each node, as of a second ago.
    pub nodes: Vec<NodeConnections>,
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
        upstream_idle: sum(|worker| &worker.idle),
        nodes: nodes(workers),
        retries: sum(|worker| &worker.retries),
        by_status,
        by_reason,
        revisions: workers.iter().map(|worker| worker.revision.get()).collect(),
        access_log_dropped,
    }
}

/// Connections to each node, by its address.
fn nodes(workers: &[Arc<WorkerMetrics>]) -> Vec<NodeConnections> {
    let mut nodes: BTreeMap<String, NodeConnections> = BTreeMap::new();
    for one in workers.iter().flat_map(|worker| worker.nodes.get()) {
        match nodes.get_mut(&one.node.to_string()) {
            Some(sum) => {
                sum.open += one.open;
                sum.idle += one.idle;
            }
            None => _ = nodes.insert(one.node.to_string(), one),
        }
    }
    nodes.into_values().collect()
}

fn total(workers: &[Arc<WorkerMetrics>], number: fn(&WorkerMetrics) -> &Number) -> u64 {
    workers.iter().map(|worker| number(worker).get()).sum()
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
            worker.nodes.set(vec![NodeConnections {
                node: "10.0.0.1:80".parse().unwrap(),
                open: 3,
                idle: 1,
            }]);
        }
        let stats = stats(&workers, 0);
        assert_eq!(stats.requests, 4);
        assert_eq!(stats.by_status, BTreeMap::from([(200, 2)]));
        assert_eq!(stats.by_reason, BTreeMap::from([("no_route", 2)]));
        let [node] = &stats.nodes[..] else {
            panic!("{:?}", stats.nodes);
        };
        assert_eq!((node.open, node.idle), (6, 2));
    }
}
