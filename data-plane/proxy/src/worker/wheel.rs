//! The coarse timer wheel of one worker.
//!
//! Limits of requests and connections are armed and disarmed far more often than they are reached.
//! Arming here is a store into a cell and, at most once per slot, a push; nothing is sent to the
//! runtime's timer driver. A limit is never reached early, and late by at most two slots.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// Width of one slot.
pub const SLOT: Duration = Duration::from_millis(100);
/// Slots of the wheel; longer limits go round.
const SLOTS: u64 = 1024;
/// Tick that is never reached.
const NEVER: u64 = u64::MAX;

/// The wheel. Cheap to clone; belongs to one thread.
#[derive(Clone)]
pub struct Wheel {
    inner: Rc<Inner>,
}

struct Inner {
    start: Instant,
    tick: Cell<u64>,
    slots: RefCell<Vec<Vec<Rc<Entry>>>>,
}

struct Entry {
    /// Tick at which the timer fires; [`NEVER`] while disarmed.
    deadline: Cell<u64>,
    /// Tick of the slot that holds the entry; entries found elsewhere are leftovers.
    slot: Cell<u64>,
    waker: RefCell<Option<Waker>>,
}

impl Wheel {
    /// A wheel whose time begins at `start`.
    #[must_use]
    pub fn new(start: Instant) -> Self {
        let slots = (0..SLOTS).map(|_| Vec::new()).collect();
        Self {
            inner: Rc::new(Inner {
                start,
                tick: Cell::new(0),
                slots: RefCell::new(slots),
            }),
        }
    }

    /// A timer on this wheel, disarmed.
    #[must_use]
    pub fn timer(&self) -> Timer {
        Timer {
            wheel: self.clone(),
            entry: Rc::new(Entry {
                deadline: Cell::new(NEVER),
                slot: Cell::new(NEVER),
                waker: RefCell::new(None),
            }),
        }
    }

    /// Wakes everything whose time has come. The worker's heartbeat calls this.
    pub fn advance(&self, now: Instant) {
        let target = self.elapsed_ticks(now);
        let from = self.inner.tick.get();
        if target <= from {
            return;
        }
        self.inner.tick.set(target);
        // After a long pause each slot is visited once.
        let first = (from + 1).max(target.saturating_sub(SLOTS - 1));
        for tick in first..=target {
            self.visit(tick, target);
        }
    }

    fn visit(&self, tick: u64, now: u64) {
        let due = self.take_slot(tick);
        for entry in due {
            if entry.slot.get() > now {
                // Moved to an earlier slot since, or already requeued further on.
                continue;
            }
            let deadline = entry.deadline.get();
            if deadline == NEVER {
                entry.slot.set(NEVER);
            } else if deadline > now {
                self.queue(entry, deadline, now);
            } else {
                entry.slot.set(NEVER);
                let waker = entry.waker.borrow_mut().take();
                if let Some(waker) = waker {
                    waker.wake();
                }
            }
        }
    }

    fn take_slot(&self, tick: u64) -> Vec<Rc<Entry>> {
        let mut slots = self.inner.slots.borrow_mut();
        slots
            .get_mut(index(tick))
            .map(std::mem::take)
            .unwrap_or_default()
    }

    fn queue(&self, entry: Rc<Entry>, deadline: u64, now: u64) {
        let slot = deadline.min(now + SLOTS - 1);
        entry.slot.set(slot);
        if let Some(list) = self.inner.slots.borrow_mut().get_mut(index(slot)) {
            list.push(entry);
        }
    }

    fn elapsed_ticks(&self, now: Instant) -> u64 {
        let elapsed = now.saturating_duration_since(self.inner.start);
        u64::try_from(elapsed.as_millis() / SLOT.as_millis()).unwrap_or(NEVER - SLOTS)
    }
}

fn index(tick: u64) -> usize {
    usize::try_from(tick % SLOTS).unwrap_or(0)
}

/// One deadline that is set again and again. Dropping it disarms it.
pub struct Timer {
    wheel: Wheel,
    entry: Rc<Entry>,
}

impl Timer {
    /// Fires after `limit` from now, in place of what was set before.
    pub fn arm(&self, limit: Duration) {
        self.arm_at(Instant::now(), limit);
    }

    /// The same, by whoever knows that it is `now`.
    pub fn arm_at(&self, now: Instant, limit: Duration) {
        let elapsed = now.saturating_duration_since(self.wheel.inner.start);
        let wanted = elapsed.saturating_add(limit).as_millis();
        let deadline = u64::try_from(wanted.div_ceil(SLOT.as_millis())).unwrap_or(NEVER - 1);
        let current = self.wheel.inner.tick.get();
        let deadline = deadline.max(current + 1);
        self.entry.deadline.set(deadline);
        if self.entry.slot.get() > deadline {
            self.wheel.queue(Rc::clone(&self.entry), deadline, current);
        }
    }

    /// Waits for `work`, at most for `limit`; `None` when that is over.
    pub async fn within<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        self.arm(limit);
        let mut work = pin!(work);
        let done = poll_fn(|cx| match work.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending if self.poll_expired(cx) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await;
        self.disarm();
        done
    }

    /// Never fires until armed again.
    pub fn disarm(&self) {
        self.entry.deadline.set(NEVER);
    }

    /// Whether a deadline is set.
    #[must_use]
    pub fn is_armed(&self) -> bool {
        self.entry.deadline.get() != NEVER
    }

    /// Whether the deadline has passed; if not, wakes the task when it does.
    pub fn poll_expired(&self, cx: &mut Context<'_>) -> bool {
        let deadline = self.entry.deadline.get();
        if deadline == NEVER {
            return false;
        }
        if deadline <= self.wheel.inner.tick.get() {
            return true;
        }
        let mut waker = self.entry.waker.borrow_mut();
        match waker.as_mut() {
            Some(known) => known.clone_from(cx.waker()),
            None => *waker = Some(cx.waker().clone()),
        }
        false
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.entry.deadline.set(NEVER);
        self.entry.waker.borrow_mut().take();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn expired(timer: &Timer) -> bool {
        timer.poll_expired(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn timer_fires_after_its_limit_and_not_before() {
        let start = Instant::now();
        let wheel = Wheel::new(start);
        let timer = wheel.timer();
        timer.arm_at(start, Duration::from_millis(250));
        wheel.advance(start + Duration::from_millis(240));
        assert!(!expired(&timer));
        wheel.advance(start + Duration::from_millis(310));
        assert!(expired(&timer));
    }

    #[test]
    fn rearming_moves_the_deadline_both_ways() {
        let start = Instant::now();
        let wheel = Wheel::new(start);
        let timer = wheel.timer();
        timer.arm_at(start, Duration::from_secs(1));
        timer.arm_at(start, Duration::from_secs(5));
        wheel.advance(start + Duration::from_secs(2));
        assert!(!expired(&timer));
        timer.arm_at(start + Duration::from_secs(2), Duration::from_millis(100));
        wheel.advance(start + Duration::from_millis(2_300));
        assert!(expired(&timer));
    }

    #[test]
    fn disarmed_timer_stays_silent_and_can_be_armed_again() {
        let start = Instant::now();
        let wheel = Wheel::new(start);
        let timer = wheel.timer();
        timer.arm_at(start, Duration::from_millis(100));
        timer.disarm();
        wheel.advance(start + Duration::from_secs(1));
        assert!(!expired(&timer));
        timer.arm_at(start + Duration::from_secs(1), Duration::from_millis(100));
        wheel.advance(start + Duration::from_secs(2));
        assert!(expired(&timer));
    }

    proptest! {
        /// Whatever is armed, and however irregular the heartbeat: never early, at most two slots late.
        #[test]
        fn fires_in_its_window(
            arms in proptest::collection::vec((0u64..3_000, 1u64..200_000), 1..20),
            steps in proptest::collection::vec(1u64..90_000, 1..60),
        ) {
            let start = Instant::now();
            let wheel = Wheel::new(start);
            let mut timers = Vec::new();
            let mut now = 0;
            for (gap, limit) in arms {
                now += gap;
                wheel.advance(start + Duration::from_millis(now));
                let timer = wheel.timer();
                timer.arm_at(start + Duration::from_millis(now), Duration::from_millis(limit));
                timers.push((timer, now + limit));
            }
            for step in steps {
                now += step;
                wheel.advance(start + Duration::from_millis(now));
                for (timer, due) in &timers {
                    let fired = expired(timer);
                    prop_assert!(!fired || now >= *due, "early: {now} before {due}");
                    prop_assert!(fired || now < *due + 200, "late: {now} after {due}");
                }
            }
        }
    }
}
