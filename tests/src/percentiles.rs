//! Percentiles of measured times, for printing.

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
