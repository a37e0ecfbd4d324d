//! The heartbeat of a worker: it turns the wheel, hands over batches, and finds out how late the
//! worker runs what is due.

use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::time::MissedTickBehavior;

use super::Worker;
use crate::admission::lag;
use crate::admission::memory::Level;

/// How often idle connections to nodes are looked through.
const SWEEP: Duration = Duration::from_secs(1);

/// Between two times that the largest holders are closed: memory is looked at as often.
const SHED: Duration = Duration::from_millis(100);
/// Of so many idle connections one is closed a second while memory is short.
const IDLE_PART: usize = 4;

/// Beats for ever. That the wheel turns and batches leave so often also keeps the runtime's own timers
/// cheap, since there always is a near deadline.
pub async fn beat(worker: Rc<Worker>) {
    let mut interval = tokio::time::interval(lag::BEAT);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut swept = Instant::now();
    let mut shed = swept;
    loop {
        let due = interval.tick().await.into_std();
        let now = due.max(Instant::now());
        worker.keep_up(now, now.duration_since(due));
        worker.wheel.advance(now);
        worker.refresh();
        worker.pool.make_room();
        if let Some(log) = &worker.log {
            log.flush();
        }
        if now.duration_since(shed) >= SHED && worker.admission.memory.level() == Level::Shed {
            shed = now;
            shed_largest(&worker);
        }
        if now.duration_since(swept) >= SWEEP {
            swept = now;
            worker.pool.sweep(now);
            if worker.admission.memory.level() >= Level::Shrink {
                shrink(&worker);
            }
            worker.metrics.idle.set(worker.pool.len() as u64);
        }
    }
}

/// Gives up what is only kept for speed, and the connections that have been idle for longest.
fn shrink(worker: &Worker) {
    worker.buffers.clear();
    worker.pool.clear();
    let closed = worker.holders.end_idle(IDLE_PART);
    worker.admission.memory.count_closed_idle(closed);
}

/// Closes the connections that hold most: this worker's part of what is too much.
fn shed_largest(worker: &Worker) {
    let memory = &worker.admission.memory;
    let workers = worker.admission.loads.workers().max(1) as u64;
    let closed = worker.holders.end_largest(memory.excess() / workers);
    memory.count_shed(closed);
}
