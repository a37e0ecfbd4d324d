//! How each worker keeps up, as it tells itself.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::complaint::Complaint;
use super::lag::Share;
use crate::telemetry::metrics::text::{Kind, header, sample};

/// One number set per worker.
#[derive(Debug)]
pub struct Loads {
    workers: Vec<Load>,
    complaint: Complaint,
}

#[derive(Debug, Default)]
struct Load {
    lag_micros: AtomicU64,
    /// In thousandths.
    share: AtomicU64,
    refused: AtomicU64,
}

impl Loads {
    /// So many workers, none of which has told anything.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        let load = || Load {
            share: AtomicU64::new(1_000),
            ..Load::default()
        };
        Self {
            workers: (0..workers).map(|_| load()).collect(),
            complaint: Complaint::default(),
        }
    }

    /// How many workers there are.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.workers.len()
    }

    /// Notes how late a worker is, and what share of requests it lets in.
    pub fn note(&self, worker: usize, lag: Duration, share: &Share) {
        let Some(load) = self.workers.get(worker) else {
            return;
        };
        let micros = u64::try_from(lag.as_micros()).unwrap_or(u64::MAX);
        load.lag_micros.store(micros, Ordering::Relaxed);
        let thousandths = (share.get() * 1_000.0) as u64;
        load.share.store(thousandths, Ordering::Relaxed);
        if thousandths < 1_000 && self.complaint.note(Instant::now()).is_some() {
            tracing::warn!(
                worker,
                lag_ms = micros / 1_000,
                let_in_percent = thousandths / 10,
                refused = self.refused_by_all(),
                "a worker cannot keep up: requests are refused"
            );
        }
    }

    /// Notes a request that a worker refuses since it cannot keep up.
    pub fn refused(&self, worker: usize) {
        if let Some(load) = self.workers.get(worker) {
            load.refused.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn refused_by_all(&self) -> u64 {
        let refused = self.workers.iter().map(|load| &load.refused);
        refused.map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// Appends the metrics in the Prometheus text format.
    pub(super) fn write(&self, out: &mut String) {
        let of = |worker: usize| format!("{{worker=\"{worker}\"}}");
        header(
            out,
            "lag_requests_refused_total",
            Kind::Counter,
            "Requests refused because the worker could not keep up.",
        );
        for (worker, load) in self.workers.iter().enumerate() {
            let refused = load.refused.load(Ordering::Relaxed);
            sample(out, "lag_requests_refused_total", &of(worker), refused);
        }
        header(
            out,
            "worker_lag_seconds",
            Kind::Gauge,
            "How late the worker runs what is due.",
        );
        for (worker, load) in self.workers.iter().enumerate() {
            let lag = Duration::from_micros(load.lag_micros.load(Ordering::Relaxed));
            let value = format!(
                "weir_proxy_worker_lag_seconds{} {}\n",
                of(worker),
                lag.as_secs_f64()
            );
            out.push_str(&value);
        }
        header(
            out,
            "worker_admitted_ratio",
            Kind::Gauge,
            "Share of requests that the worker lets in.",
        );
        for (worker, load) in self.workers.iter().enumerate() {
            let share = load.share.load(Ordering::Relaxed) as f64 / 1_000.0;
            let value = format!("weir_proxy_worker_admitted_ratio{} {share}\n", of(worker));
            out.push_str(&value);
        }
    }
}
