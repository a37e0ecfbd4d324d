//! The heartbeat of a worker: it turns the wheel, hands over batches, and finds out how late the
//! worker runs what is due.

use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use tokio::time::MissedTickBehavior;

use super::Worker;
use crate::admission::lag;
use crate::admission::memory::Level;

/// How often idle connections to nodes are looked through.
const SWEEP: Duration = Duration::from_secs(1);

/// Between two times that the largest holders are closed: memory is looked at as often.
const SHED: Duration = Duration::from_millis(100);
/// What connections held that were closed is back after so long: the allocator keeps it for a second.
/// Until then it is not asked for again.
const BACK: Duration = Duration::from_millis(1_500);
/// Of so many idle connections one is closed a second while memory is short.
const IDLE_PART: usize = 4;

/// Size of a block that the allocator does not keep.
const LARGE_BLOCK: usize = 32 << 20;

/// Beats for ever. That the wheel turns and batches leave so often also keeps the runtime's own timers
/// cheap, since there always is a near deadline.
pub async fn beat(worker: Rc<Worker>) {
    let mut interval = tokio::time::interval(lag::BEAT);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut swept = Instant::now();
    let mut shed = Shed::new(swept);
    loop {
        let due = interval.tick().await.into_std();
        let now = due.max(Instant::now());
        worker.keep_up(now, now.duration_since(due));
        worker.wheel.advance(now);
        worker.date.advance(SystemTime::now());
        worker.refresh();
        worker.pool.make_room();
        if let Some(log) = &worker.log {
            log.flush();
        }
        if worker.admission.memory.level() == Level::Shed {
            shed.largest(&worker, now);
        }
        if now.duration_since(swept) >= SWEEP {
            swept = now;
            worker.pool.sweep(now);
            worker.holders.shrink();
            tidy_up();
            if worker.admission.memory.level() >= Level::Shrink {
                shrink(&worker);
            }
            worker.metrics.idle.set(worker.pool.len() as u64);
            worker.metrics.nodes.set(worker.census.take(&worker.pool));
        }
    }
}

/// The allocator gives freed memory back to the system some time later, when it next frees a block
/// that it does not keep: after an attack nothing else might do that for long. The block is never
/// touched, so it costs a few microseconds.
fn tidy_up() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(LARGE_BLOCK)));
}

/// Gives up what is only kept for speed, and the connections that have been idle for longest.
fn shrink(worker: &Worker) {
    worker.buffers.clear();
    worker.pool.clear();
    let closed = worker.holders.end_idle(IDLE_PART);
    worker.admission.memory.count_closed_idle(closed);
}

/// Closing of the connections that hold most.
struct Shed {
    last: Instant,
    /// Bytes that are on their way back, since when.
    coming: u64,
    since: Instant,
}

impl Shed {
    fn new(now: Instant) -> Self {
        Self {
            last: now,
            coming: 0,
            since: now,
        }
    }

    /// Closes as many as hold this worker's part of what is too much.
    fn largest(&mut self, worker: &Worker, now: Instant) {
        if now.duration_since(self.last) < SHED {
            return;
        }
        self.last = now;
        if now.duration_since(self.since) >= BACK {
            (self.coming, self.since) = (0, now);
        }
        let memory = &worker.admission.memory;
        let workers = worker.admission.loads.workers().max(1) as u64;
        let wanted = (memory.excess() / workers).saturating_sub(self.coming);
        if wanted > 0 {
            let (closed, bytes) = worker.holders.end_largest(wanted);
            self.coming = self.coming.saturating_add(bytes);
            memory.count_shed(closed);
        }
    }
}
