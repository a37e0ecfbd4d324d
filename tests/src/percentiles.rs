//! Percentiles of measured times.

use std::time::Duration;

/// `p50 1.2 ms, p99 3.4 ms, max 5.6 ms (n = 100)`.
pub fn line(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let at = |share: f64| {
        let index = ((times.len() as f64 - 1.0) * share).round() as usize;
        times
            .get(index)
            .map_or(0.0, |time| time.as_secs_f64() * 1000.0)
    };
    let (p50, p99, max) = (at(0.5), at(0.99), at(1.0));
    format!(
        "p50 {p50:.1} ms, p99 {p99:.1} ms, max {max:.1} ms (n = {})",
        times.len()
    )
}

/// The time within which so many in a hundred were; zero of none.
pub fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    let last = times.len().saturating_sub(1);
    let at = (times.len() * percent / 100).min(last);
    times.get(at).copied().unwrap_or_default()
}
