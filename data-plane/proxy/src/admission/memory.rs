//! What the process takes of the machine's memory, and what is done about it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::Admission;
use super::complaint::Complaint;

/// How often it is looked at.
const SAMPLE: Duration = Duration::from_millis(100);

/// What is done, each with all before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing.
    Calm,
    /// Idle buffers and idle connections are given up.
    Shrink,
    /// No connection and no request is let in.
    Refuse,
    /// The connections that hold most are closed.
    Shed,
}

impl Level {
    const ALL: [Level; 4] = [Level::Calm, Level::Shrink, Level::Refuse, Level::Shed];

    fn of(number: u8) -> Self {
        let mut all = Self::ALL.into_iter();
        all.find(|level| *level as u8 == number)
            .unwrap_or(Self::Calm)
    }
}

/// Decides, by the share of the ceiling that is taken: 80, 90 and 95 percent.
#[must_use]
pub fn level(taken: u64, ceiling: u64) -> Level {
    let percent = u128::from(taken) * 100 / u128::from(ceiling.max(1));
    match percent {
        0..80 => Level::Calm,
        80..90 => Level::Shrink,
        90..95 => Level::Refuse,
        _ => Level::Shed,
    }
}

/// The ceiling on a machine with so many bytes.
#[must_use]
pub fn ceiling(machine: u64) -> u64 {
    machine / 5 * 4
}

/// The memory of the process.
#[derive(Debug)]
pub struct Memory {
    ceiling: Option<u64>,
    taken: AtomicU64,
    level: AtomicU8,
    refused: AtomicU64,
    closed_idle: AtomicU64,
    shed: AtomicU64,
    complaint: Complaint,
}

impl Memory {
    /// Nothing known yet.
    #[must_use]
    pub fn new(ceiling: Option<u64>) -> Self {
        Self {
            ceiling,
            taken: AtomicU64::new(0),
            level: AtomicU8::new(Level::Calm as u8),
            refused: AtomicU64::new(0),
            closed_idle: AtomicU64::new(0),
            shed: AtomicU64::new(0),
            complaint: Complaint::default(),
        }
    }

    /// Bytes that the process may take.
    #[must_use]
    pub fn ceiling(&self) -> Option<u64> {
        self.ceiling
    }

    /// Bytes that it takes, as of the last look.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// What is to be done.
    #[must_use]
    pub fn level(&self) -> Level {
        Level::of(self.level.load(Ordering::Relaxed))
    }

    /// Bytes above the point where requests are let in again.
    #[must_use]
    pub fn excess(&self) -> u64 {
        let Some(ceiling) = self.ceiling else {
            return 0;
        };
        self.taken().saturating_sub(ceiling / 100 * 90)
    }

    /// Requests that were refused for it.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Idle connections that were closed for it.
    #[must_use]
    pub fn closed_idle(&self) -> u64 {
        self.closed_idle.load(Ordering::Relaxed)
    }

    /// Connections that were closed for holding much.
    #[must_use]
    pub fn shed(&self) -> u64 {
        self.shed.load(Ordering::Relaxed)
    }

    /// Notes a request that is refused for it.
    pub fn count_refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes idle connections that are closed for it.
    pub fn count_closed_idle(&self, count: u64) {
        self.closed_idle.fetch_add(count, Ordering::Relaxed);
    }

    /// Notes connections that are closed for holding much.
    pub fn count_shed(&self, count: u64) {
        self.shed.fetch_add(count, Ordering::Relaxed);
    }

    /// Takes note of what the process takes.
    pub fn observe(&self, taken: u64) {
        self.taken.store(taken, Ordering::Relaxed);
        let Some(ceiling) = self.ceiling else {
            return;
        };
        let level = level(taken, ceiling);
        self.level.store(level as u8, Ordering::Relaxed);
        if level > Level::Calm && self.complaint.note(Instant::now()).is_some() {
            tracing::warn!(
                ?level,
                taken,
                ceiling,
                refused = self.refused(),
                closed_idle = self.closed_idle(),
                shed = self.shed(),
                "memory is short"
            );
        }
    }
}

/// Looks at what the process takes, as long as anybody is let in.
pub async fn watch(admission: Arc<Admission>) {
    let page = rustix::param::page_size() as u64;
    let admission = {
        let weak = Arc::downgrade(&admission);
        drop(admission);
        weak
    };
    let mut interval = tokio::time::interval(SAMPLE);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let complaint = Complaint::default();
    loop {
        interval.tick().await;
        let Some(admission) = admission.upgrade() else {
            return;
        };
        // The kernel answers from memory: this blocks nobody.
        match resident(page) {
            Ok(taken) => admission.memory.observe(taken),
            Err(error) => {
                if complaint.note(Instant::now()).is_some() {
                    tracing::warn!(%error, "/proc/self/statm cannot be read: memory is not bounded");
                }
            }
        }
    }
}

fn resident(page: u64) -> io::Result<u64> {
    let text = std::fs::read_to_string("/proc/self/statm")?;
    resident_in(&text)
        .map(|pages| pages.saturating_mul(page))
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "expected seven numbers"))
}

/// Resident pages, the second number (`proc_pid_statm(5)`).
fn resident_in(statm: &str) -> Option<u64> {
    statm.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// Bytes that the process may take of this machine: its memory, or what the control groups (v2)
/// leave of it. `None` when neither is known.
#[must_use]
pub fn machine() -> Option<u64> {
    let read = |path: &Path| std::fs::read_to_string(path).ok();
    let total = read(Path::new("/proc/meminfo")).and_then(|text| total_in(&text));
    let group = read(Path::new("/proc/self/cgroup")).and_then(|text| group_in(&text));
    let mut least = total;
    for path in group.iter().flat_map(|group| group.ancestors()) {
        let limit = read(&path.join("memory.max")).and_then(|text| text.trim().parse().ok());
        least = [least, limit].into_iter().flatten().min();
    }
    least
}

/// All memory, in bytes (`proc_meminfo(5)`).
fn total_in(meminfo: &str) -> Option<u64> {
    let mut lines = meminfo.lines();
    let line = lines.find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// Folder of the control group (`cgroups(7)`): the line `0::/PATH`.
fn group_in(cgroup: &str) -> Option<PathBuf> {
    let mut lines = cgroup.lines();
    let path = lines.find_map(|line| line.strip_prefix("0::/"))?;
    Some(Path::new("/sys/fs/cgroup").join(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_follows_from_the_share() {
        for (taken, expected) in [
            (0, Level::Calm),
            (799, Level::Calm),
            (800, Level::Shrink),
            (900, Level::Refuse),
            (950, Level::Shed),
            (5_000, Level::Shed),
        ] {
            assert_eq!(level(taken, 1_000), expected, "{taken}");
        }
        assert_eq!(level(u64::MAX, 0), Level::Shed);
        for level in Level::ALL {
            assert_eq!(Level::of(level as u8), level);
        }
    }

    #[test]
    fn without_a_ceiling_nothing_is_done() {
        let memory = Memory::new(None);
        memory.observe(u64::MAX);
        assert_eq!((memory.level(), memory.excess()), (Level::Calm, 0));
        let memory = Memory::new(Some(1_000));
        memory.observe(960);
        assert_eq!((memory.level(), memory.excess()), (Level::Shed, 60));
        memory.observe(10);
        assert_eq!((memory.level(), memory.excess()), (Level::Calm, 0));
    }

    #[test]
    fn files_of_the_kernel_are_read() {
        assert_eq!(resident_in("100 25 3 1 0 50 0\n"), Some(25));
        assert_eq!(resident_in("100"), None);
        let meminfo = "MemTotal:       2048 kB\nMemFree: 1 kB\n";
        assert_eq!(total_in(meminfo), Some(2_097_152));
        assert_eq!(total_in("MemFree: 1 kB\n"), None);
        let group = group_in("1:cpu:/a\n0::/system.slice/weir\n");
        assert_eq!(
            group.as_deref(),
            Some(Path::new("/sys/fs/cgroup/system.slice/weir"))
        );
        assert_eq!(group_in("1:cpu:/a\n"), None);
        assert!(resident(4096).unwrap() > 0);
        assert!(machine().is_some());
    }
}
