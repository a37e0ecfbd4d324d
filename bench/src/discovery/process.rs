//! What a process has used so far, as Linux tells it.

use std::fs;
use std::time::Duration;

/// Ticks of a second, in which Linux counts the time of processes.
const TICKS: u64 = 100;

/// Time and memory of a process.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sample {
    /// Of all its threads, in user and kernel.
    pub(crate) cpu: Duration,
    resident_kib: u64,
}

impl Sample {
    /// Looks at a process; nothing used when it is gone.
    pub(crate) fn of(pid: u32) -> Self {
        let read =
            |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
        let stat = read("stat");
        // The name in parentheses may have spaces; the times are the 12th and 13th after it.
        let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
        let ticks = after.split_whitespace().skip(11).take(2);
        let ticks: u64 = ticks.filter_map(|text| text.parse::<u64>().ok()).sum();
        let status = read("status");
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let resident = resident.and_then(|text| text.trim().trim_end_matches(" kB").parse().ok());
        Self {
            cpu: Duration::from_millis(ticks * 1000 / TICKS),
            resident_kib: resident.unwrap_or_default(),
        }
    }

    /// Memory that it holds.
    pub(crate) fn resident_mib(self) -> f64 {
        self.resident_kib as f64 / 1024.0
    }
}
