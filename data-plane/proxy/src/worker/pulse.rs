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

/// Beats for ever. That the wheel turns and batches leave so often also keeps the runtime's own timers
/// cheap, since there always is a near deadline.
pub async fn beat(worker: Rc<Worker>) {
    let mut interval = tokio::time::interval(lag::BEAT);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut swept = Instant::now();
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

/// Gives up what is only kept for speed.
fn shrink(worker: &Worker) {
    worker.buffers.clear();
    worker.pool.clear();
}
