//! What the process takes of the machine's memory, and what is done about it.
//!
//! The system tells what is resident, now and then; connections tell what they hold, as it changes.
//! What they hold more than at the last look counts as taken, so that a burst between two looks is
//! seen while it comes and not afterwards.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::Admission;
use super::complaint::Complaint;

/// How often it is looked at.
const SAMPLE: Duration = Duration::from_millis(100);
/// It is looked at earlier when connections hold so much more than at the last look: what they hold
/// is not all that it costs.
const GROWTH: u64 = 1 << 20;
/// Every so many looks the allocator is made to give back what it has no use for: every second, which
/// is how long it keeps pages for whoever wants some soon.
const LOOKS_PER_RETURN: u32 = 10;
/// More than the allocator serves from pages that it keeps.
const BLOCK: usize = 4 << 20;

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

/// Decides, by the share of the ceiling that is taken: 80, 90 and 95 percent.
#[must_use]
pub fn level(taken: u64, ceiling: u64) -> Level {
    // What is asked for each request, mostly with this answer.
    if taken < ceiling / 100 * 80 {
        return Level::Calm;
    }
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
    /// Resident bytes, as of the last look.
    seen: AtomicU64,
    /// Bytes that connections hold by their own account, now and at the last look.
    held: AtomicU64,
    held_then: AtomicU64,
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
            seen: AtomicU64::new(0),
            held: AtomicU64::new(0),
            held_then: AtomicU64::new(0),
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

    /// Bytes that it takes: those of the last look, and what connections took since.
    #[must_use]
    pub fn taken(&self) -> u64 {
        let seen = self.seen.load(Ordering::Relaxed);
        seen.saturating_add(self.grown())
    }

    /// Bytes that connections hold more than at the last look.
    fn grown(&self) -> u64 {
        let held = self.held.load(Ordering::Relaxed);
        // What they gave back is still the allocator's, for now.
        held.saturating_sub(self.held_then.load(Ordering::Relaxed))
    }

    /// Bytes that connections hold by their own account.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    /// What is to be done.
    #[must_use]
    pub fn level(&self) -> Level {
        let level = |ceiling| level(self.taken(), ceiling);
        self.ceiling.map_or(Level::Calm, level)
    }

    /// Whether nothing more may be taken: no connection, no request, and no larger buffer.
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.level() >= Level::Refuse
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

    /// Takes note that connections hold more.
    pub fn hold(&self, bytes: u64) {
        self.held.fetch_add(bytes, Ordering::Relaxed);
        if self.ceiling.is_some() && self.grown() >= GROWTH {
            // Where that fails, [`watch`] complains.
            let _ = self.look();
        }
    }

    /// Takes note that connections hold less.
    pub fn let_go(&self, bytes: u64) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Asks the system. It answers from memory: this blocks nobody.
    ///
    /// # Errors
    /// It does not say.
    pub fn look(&self) -> io::Result<()> {
        let held = self.held();
        let resident = resident()?;
        self.observe(resident, held);
        Ok(())
    }

    /// Takes note of what was resident while connections held so much.
    pub fn observe(&self, resident: u64, held: u64) {
        self.seen.store(resident, Ordering::Relaxed);
        self.held_then.store(held, Ordering::Relaxed);
        let level = self.level();
        if level > Level::Calm && self.complaint.note(Instant::now()).is_some() {
            tracing::warn!(
                ?level,
                taken = resident,
                held,
                ceiling = self.ceiling,
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
    let admission = {
        let weak = Arc::downgrade(&admission);
        drop(admission);
        weak
    };
    let mut interval = tokio::time::interval(SAMPLE);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let complaint = Complaint::default();
    let mut looks: u32 = 0;
    loop {
        interval.tick().await;
        looks = looks.wrapping_add(1);
        if looks.is_multiple_of(LOOKS_PER_RETURN) {
            give_back();
        }
        let Some(admission) = admission.upgrade() else {
            return;
        };
        if let Err(error) = admission.memory.look()
            && complaint.note(Instant::now()).is_some()
        {
            tracing::warn!(%error, "/proc/self/statm cannot be read: memory is not bounded");
        }
    }
}

/// Makes the allocator return free pages to the system. It does so by itself only when it frees one
/// more after their time: after a burst, an idle process keeps them for ever (mimalloc 3, `arena.c`:
/// `mi_arenas_try_purge`). The block is not touched, so it takes no memory.
fn give_back() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(BLOCK)));
}

fn resident() -> io::Result<u64> {
    let text = std::fs::read_to_string("/proc/self/statm")?;
    let page = rustix::param::page_size() as u64;
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
    }

    #[test]
    fn without_a_ceiling_nothing_is_done() {
        let memory = Memory::new(None);
        memory.observe(u64::MAX, 0);
        assert_eq!((memory.level(), memory.excess()), (Level::Calm, 0));
        let memory = Memory::new(Some(1_000));
        memory.observe(960, 0);
        assert_eq!((memory.level(), memory.excess()), (Level::Shed, 60));
        memory.observe(10, 0);
        assert_eq!((memory.level(), memory.excess()), (Level::Calm, 0));
    }

    #[test]
    fn what_is_taken_between_two_looks_counts_at_once() {
        let memory = Memory::new(Some(1_000));
        memory.hold(100);
        memory.observe(800, memory.held());
        assert_eq!((memory.taken(), memory.level()), (800, Level::Shrink));
        memory.hold(150);
        assert_eq!((memory.taken(), memory.is_short()), (950, true));
        // Given back, but by the allocator not yet.
        memory.let_go(200);
        assert_eq!((memory.taken(), memory.is_short()), (800, false));
        memory.observe(700, memory.held());
        memory.hold(50);
        assert_eq!(memory.taken(), 750);
    }

    #[test]
    fn much_that_is_taken_is_looked_after_at_once() {
        let memory = Memory::new(Some(u64::MAX));
        memory.hold(GROWTH - 1);
        assert_eq!(memory.taken(), GROWTH - 1);
        memory.hold(1);
        assert_eq!(
            (memory.taken(), memory.grown()),
            (resident_then(&memory), 0)
        );
        assert!(memory.taken() > 0);
    }

    fn resident_then(memory: &Memory) -> u64 {
        memory.seen.load(Ordering::Relaxed)
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
        assert!(resident().unwrap() > 0);
        assert!(machine().is_some());
    }
}
