//! Lets handshakes in one after the other. The cryptography of one takes as long as many requests,
//! so while there is other work, it gets most of the time between two of them.

use std::cell::Cell;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

/// Handshakes of one worker that may wait; more are refused at once.
const WAITING: usize = 256;
/// Other work gets this many times what a handshake took, before the next one.
const SHARE: u32 = 4;
/// A worker that comes back sooner than this had nothing else to do.
const IDLE: Duration = Duration::from_micros(20);

/// The turnstile of one worker.
#[derive(Debug)]
pub struct Turnstile {
    entrance: Semaphore,
    waiting: Cell<usize>,
    /// When the last one was through, and what it took.
    last: Cell<Option<(Instant, Duration)>>,
}

impl Default for Turnstile {
    fn default() -> Self {
        Self {
            entrance: Semaphore::new(1),
            waiting: Cell::new(0),
            last: Cell::new(None),
        }
    }
}

impl Turnstile {
    /// Runs `work` when it is its turn, and measures it; `None` when too many wait. Dropping the
    /// future gives the turn to the next one.
    pub async fn pass<T>(&self, work: impl FnOnce() -> T) -> Option<T> {
        if self.waiting.get() >= WAITING {
            return None;
        }
        let _waits = Waits::new(&self.waiting);
        // It is never closed.
        let _turn = self.entrance.acquire().await.ok()?;
        while let Some((since, took)) = self.last.get() {
            let looked = Instant::now();
            if is_over(looked.duration_since(since), took) {
                break;
            }
            tokio::task::yield_now().await;
            if looked.elapsed() < IDLE {
                break;
            }
        }
        let begun = Instant::now();
        let done = work();
        let ended = Instant::now();
        self.last.set(Some((ended, ended.duration_since(begun))));
        Some(done)
    }
}

/// Whether others had their share since a handshake that took so long.
fn is_over(passed: Duration, took: Duration) -> bool {
    passed >= took.saturating_mul(SHARE)
}

/// Counts one that waits.
struct Waits<'t>(&'t Cell<usize>);

impl<'t> Waits<'t> {
    fn new(waiting: &'t Cell<usize>) -> Self {
        waiting.set(waiting.get() + 1);
        Self(waiting)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use futures_util::FutureExt;
    use tokio::task::{LocalSet, spawn_local};

    use super::*;

    fn run<T>(work: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().unwrap();
        LocalSet::new().block_on(&runtime, work)
    }

    fn busy(time: Duration) {
        let begun = Instant::now();
        while begun.elapsed() < time {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn other_work_gets_most_of_the_time_and_an_idle_worker_waits_for_nothing() {
        run(async {
            let turnstile = Rc::new(Turnstile::default());
            let stop = Rc::new(Cell::new(false));
            let other = Rc::new(Cell::new(Duration::ZERO));
            let (stopped, spent) = (Rc::clone(&stop), Rc::clone(&other));
            let load = spawn_local(async move {
                while !stopped.get() {
                    let begun = Instant::now();
                    busy(Duration::from_micros(500));
                    spent.set(spent.get() + begun.elapsed());
                    tokio::task::yield_now().await;
                }
            });
            let mut handshakes = Duration::ZERO;
            for _ in 0..20 {
                let took = turnstile.pass(|| {
                    let begun = Instant::now();
                    busy(Duration::from_millis(2));
                    begun.elapsed()
                });
                handshakes += took.await.unwrap();
            }
            stop.set(true);
            load.await.unwrap();
            let shares = other.get().as_secs_f64() / handshakes.as_secs_f64();
            assert!(shares > 3.0, "{shares}");
        });
    }

    #[test]
    fn what_waits_is_bounded() {
        run(async {
            let turnstile = Turnstile::default();
            let held = turnstile.entrance.acquire().await.unwrap();
            let mut waiting: Vec<_> = (0..WAITING)
                .map(|_| Box::pin(turnstile.pass(|| ())))
                .collect();
            for one in &mut waiting {
                assert!(one.now_or_never().is_none());
            }
            assert_eq!(turnstile.pass(|| ()).await, None);
            drop(held);
            drop(waiting);
            assert_eq!(turnstile.pass(|| ()).await, Some(()));
        });
    }
}
