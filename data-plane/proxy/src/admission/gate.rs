//! How many requests are in flight, over all workers. Beyond that a few wait for a moment; under
//! lasting overload nobody does, so that whoever is refused learns it at once, and whoever is let
//! in has not waited.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_util::task::AtomicWaker;

use super::complaint::Complaint;

/// Longest wait for a place.
pub const PATIENCE: Duration = Duration::from_millis(50);
/// Without a refusal for so long, a full gate is a burst and not overload.
pub const CALM: Duration = Duration::from_millis(100);

/// What becomes of a request that finds every place taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It waits, so long at most.
    Wait(Duration),
    /// It is refused at once.
    Refuse,
}

/// Decides, given how many `waiting` there are of `most`, and when the last one was refused.
#[must_use]
pub fn decide(waiting: usize, most: usize, since_refusal: Option<Duration>) -> Turn {
    let calm = since_refusal.is_none_or(|since| since >= CALM);
    if calm && waiting < most {
        Turn::Wait(PATIENCE)
    } else {
        Turn::Refuse
    }
}

/// The places.
#[derive(Debug)]
pub struct Gate {
    most: Option<u64>,
    most_waiting: usize,
    taken: AtomicU64,
    waiting: AtomicUsize,
    queue: Mutex<VecDeque<Arc<Waiter>>>,
    start: Instant,
    /// Microseconds from the start to the last refusal, plus one; 0 before the first.
    refused_at: AtomicU64,
    refused: AtomicU64,
    complaint: Complaint,
}

#[derive(Debug, Default)]
struct Waiter {
    state: AtomicU8,
    waker: AtomicWaker,
}

/// States of a waiter.
const WAITING: u8 = 0;
const GRANTED: u8 = 1;
const GONE: u8 = 2;

impl Waiter {
    /// Goes from waiting to another state; says whether it did.
    fn go(&self, state: u8) -> bool {
        self.state
            .compare_exchange(WAITING, state, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok()
    }
}

impl Gate {
    /// All places free.
    #[must_use]
    pub fn new(most: Option<u64>, most_waiting: usize) -> Self {
        Self {
            most,
            most_waiting,
            taken: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
            queue: Mutex::default(),
            start: Instant::now(),
            refused_at: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            complaint: Complaint::default(),
        }
    }

    /// Places in all.
    #[must_use]
    pub fn most(&self) -> Option<u64> {
        self.most
    }

    /// Places that are taken.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::SeqCst)
    }

    /// Requests that wait for one.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    /// Requests that were refused.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Takes a place, maybe after a moment; `None` when there is none to be had.
    pub async fn enter(this: &Arc<Self>) -> Option<Place> {
        if this.take() {
            return Some(Place(Arc::clone(this)));
        }
        match decide(this.waiting(), this.most_waiting, this.since_refusal()) {
            Turn::Wait(patience) => {
                let place = this.wait(patience).await;
                if place.is_none() {
                    this.refuse();
                }
                place
            }
            Turn::Refuse => {
                this.refuse();
                None
            }
        }
    }

    fn take(&self) -> bool {
        let Some(most) = self.most else {
            self.taken.fetch_add(1, Ordering::SeqCst);
            return true;
        };
        let more = |taken: u64| (taken < most).then_some(taken + 1);
        self.taken
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, more)
            .is_ok()
    }

    async fn wait(self: &Arc<Self>, patience: Duration) -> Option<Place> {
        let waiting = Waiting::begin(self);
        // A place that came free just before nobody else has to be told of.
        if self.take() {
            return Some(Place(Arc::clone(self)));
        }
        let granted = poll_fn(|cx| {
            waiting.waiter.waker.register(cx.waker());
            match waiting.waiter.state.load(Ordering::SeqCst) {
                GRANTED => Poll::Ready(()),
                _ => Poll::Pending,
            }
        });
        // The wheel is too coarse for this. Granted or not, the state says it.
        let _ = tokio::time::timeout(patience, granted).await;
        waiting.end()
    }

    fn queue(&self) -> std::sync::MutexGuard<'_, VecDeque<Arc<Waiter>>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a place to whoever waits longest, or back.
    fn leave(&self) {
        // Whoever begins to wait looks once more afterwards, so that none is overlooked.
        self.taken.fetch_sub(1, Ordering::SeqCst);
        if self.waiting() == 0 {
            return;
        }
        // Under the lock, so that two that leave do not miss each other's.
        let mut queue = self.queue();
        while !queue.is_empty() && self.take() {
            let granted = queue.pop_front().filter(|waiter| waiter.go(GRANTED));
            if let Some(waiter) = granted {
                drop(queue);
                waiter.waker.wake();
                return;
            }
            self.taken.fetch_sub(1, Ordering::SeqCst);
        }
    }

    fn since_refusal(&self) -> Option<Duration> {
        let at = self.refused_at.load(Ordering::Relaxed);
        let at = Duration::from_micros(at.checked_sub(1)?);
        Some(self.start.elapsed().saturating_sub(at))
    }

    fn refuse(&self) {
        let now = Instant::now();
        let at = now.saturating_duration_since(self.start).as_micros();
        let at = u64::try_from(at).unwrap_or(u64::MAX - 1) + 1;
        self.refused_at.store(at, Ordering::Relaxed);
        self.refused.fetch_add(1, Ordering::Relaxed);
        if let Some(count) = self.complaint.note(now) {
            tracing::warn!(
                refused = count,
                in_flight = self.taken(),
                limit = self.most,
                "requests refused: as many are in flight as may be"
            );
        }
    }
}

/// A request that waits. Dropping it leaves the queue.
struct Waiting<'a> {
    gate: &'a Arc<Gate>,
    waiter: Arc<Waiter>,
}

impl<'a> Waiting<'a> {
    fn begin(gate: &'a Arc<Gate>) -> Self {
        let waiter = Arc::new(Waiter::default());
        gate.waiting.fetch_add(1, Ordering::SeqCst);
        let mut queue = gate.queue();
        if queue.len() >= gate.most_waiting.saturating_mul(2) {
            queue.retain(|waiter| waiter.state.load(Ordering::SeqCst) == WAITING);
        }
        queue.push_back(Arc::clone(&waiter));
        drop(queue);
        Self { gate, waiter }
    }

    /// The place, if one was granted.
    fn end(self) -> Option<Place> {
        if self.waiter.go(GONE) {
            return None;
        }
        let place = Place(Arc::clone(self.gate));
        // It is taken now, and nothing to give back.
        self.waiter.state.store(GONE, Ordering::SeqCst);
        Some(place)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.gate.waiting.fetch_sub(1, Ordering::SeqCst);
        let granted =
            !self.waiter.go(GONE) && self.waiter.state.swap(GONE, Ordering::SeqCst) == GRANTED;
        if granted {
            self.gate.leave();
        }
    }
}

/// A request that was let in. Dropping it gives its place back.
#[derive(Debug)]
pub struct Place(Arc<Gate>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.leave();
    }
}

#[cfg(test)]
mod tests;
