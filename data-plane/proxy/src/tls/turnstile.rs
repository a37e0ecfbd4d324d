//! Lets handshakes in one after the other. The cryptography of one takes as long as many requests,
//! and costs a client nothing that sends a recorded hello: while there are requests, they have most
//! of the worker's time, and addresses take turns, so that one that sends many waits for itself.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::IpAddr;
use std::task::Poll;
use std::time::{Duration, Instant};

use super::line::{Line, Place, State};
use crate::admission::addresses::Key;

/// Handshakes of one worker that may wait; more are refused at once.
const WAITING: usize = 512;
/// While there are requests, handshakes have one part in so many of the worker's time.
const PART: u32 = 5;
/// What they may have saved up, and what they may owe.
const BURST: Duration = Duration::from_millis(50);
const DEBT: Duration = Duration::from_millis(50);
/// A worker that began and ended no request for so long has nothing else to do.
const QUIET: Duration = Duration::from_millis(100);

/// The turnstile of one worker.
#[derive(Debug)]
pub struct Turnstile {
    line: RefCell<Line>,
    budget: Cell<Budget>,
    /// When a request began or ended last.
    worked: Cell<Option<Instant>>,
}

impl Default for Turnstile {
    fn default() -> Self {
        Self {
            line: RefCell::new(Line::new(WAITING)),
            budget: Cell::new(Budget::new(Instant::now())),
            worked: Cell::new(None),
        }
    }
}

impl Turnstile {
    /// Notes that a request began or ended.
    pub fn worked(&self, now: Instant) {
        self.worked.set(Some(now));
    }

    /// Whether a handshake of this address would be refused now: nothing need be read of it.
    #[must_use]
    pub fn is_full_for(&self, address: IpAddr) -> bool {
        self.line.borrow().is_full_for(Key::of(address))
    }

    /// Waits for the turn of a handshake, which lasts until the result is dropped; meanwhile nothing
    /// may be waited for. `None` when too many wait. Dropping the future gives the turn to the next.
    pub async fn enter(&self, address: IpAddr) -> Option<Turn<'_>> {
        let place = self.line.borrow_mut().enter(Key::of(address))?;
        let waiting = Waiting {
            line: &self.line,
            place,
        };
        let granted = poll_fn(|cx| match waiting.place.state() {
            State::Waiting => {
                waiting.place.wake_by(cx.waker());
                Poll::Pending
            }
            State::Granted => Poll::Ready(true),
            State::Refused => Poll::Ready(false),
        });
        if !granted.await {
            return None;
        }
        while let Some(pause) = self.pause(Instant::now()) {
            tokio::time::sleep(pause).await;
        }
        Some(Turn {
            turnstile: self,
            begun: Instant::now(),
            _waiting: waiting,
        })
    }

    /// How much longer others have the worker; `None` when a handshake may go on.
    fn pause(&self, now: Instant) -> Option<Duration> {
        let worked = self.worked.get()?;
        if now.saturating_duration_since(worked) >= QUIET {
            return None;
        }
        let budget = self.budget.get().at(now);
        self.budget.set(budget);
        budget.pause()
    }
}

/// A handshake that has the worker.
pub struct Turn<'t> {
    turnstile: &'t Turnstile,
    begun: Instant,
    _waiting: Waiting<'t>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let now = Instant::now();
        let took = now.saturating_duration_since(self.begun);
        let budget = &self.turnstile.budget;
        budget.set(budget.get().at(now).spent(took));
    }
}

/// One in the line, or at its end. Dropping it leaves.
struct Waiting<'t> {
    line: &'t RefCell<Line>,
    place: Place,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let next = self.line.borrow_mut().leave(&self.place);
        if let Some(next) = next {
            next.wake();
        }
    }
}

/// Time that handshakes may take: it accrues while others work.
#[derive(Debug, Clone, Copy)]
struct Budget {
    at: Instant,
    saved: Duration,
    owed: Duration,
}

impl Budget {
    fn new(now: Instant) -> Self {
        Self {
            at: now,
            saved: BURST,
            owed: Duration::ZERO,
        }
    }

    fn at(self, now: Instant) -> Self {
        let earned = now.saturating_duration_since(self.at) / PART;
        Self {
            at: self.at.max(now),
            saved: (self.saved + earned.saturating_sub(self.owed)).min(BURST),
            owed: self.owed.saturating_sub(earned),
        }
    }

    fn spent(self, time: Duration) -> Self {
        Self {
            at: self.at,
            saved: self.saved.saturating_sub(time),
            owed: (self.owed + time.saturating_sub(self.saved)).min(DEBT),
        }
    }

    fn pause(&self) -> Option<Duration> {
        (!self.owed.is_zero()).then(|| self.owed * PART)
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use futures_util::FutureExt;
    use tokio::task::LocalSet;

    use super::*;

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

    fn run<T>(work: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().unwrap();
        LocalSet::new().block_on(&runtime, work)
    }

    #[test]
    fn time_is_earned_spent_and_owed_within_bounds() {
        let start = Instant::now();
        let ms = Duration::from_millis;
        let budget = Budget::new(start).spent(BURST);
        assert_eq!(budget.pause(), None);
        let budget = budget.spent(ms(2));
        assert_eq!(budget.pause(), Some(ms(2) * PART));
        assert_eq!(budget.at(start + ms(2) * PART).pause(), None);
        let half = budget.at(start + ms(1) * PART);
        assert_eq!(half.pause(), Some(ms(1) * PART));
        assert_eq!(budget.spent(ms(10_000)).pause(), Some(DEBT * PART));
        let rested = budget.at(start + ms(60_000));
        assert_eq!((rested.saved, rested.owed), (BURST, Duration::ZERO));
    }

    #[test]
    fn others_come_first_only_while_there_are_any() {
        let turnstile = Turnstile::default();
        let now = Instant::now();
        turnstile.budget.set(Budget::new(now).spent(BURST + DEBT));
        assert_eq!(turnstile.pause(now), None);
        turnstile.worked(now);
        assert_eq!(turnstile.pause(now), Some(DEBT * PART));
        assert_eq!(turnstile.pause(now + QUIET), None);
        assert_eq!(turnstile.pause(now + DEBT * PART), None);
    }

    #[test]
    fn one_has_the_turn_and_addresses_share_what_follows() {
        run(async {
            let turnstile = Rc::new(Turnstile::default());
            let order = Rc::new(RefCell::new(Vec::new()));
            let first = turnstile.enter(ONE).await.unwrap();
            let mut tasks = tokio::task::JoinSet::new();
            for (number, address) in [ONE, ONE, ONE, OTHER].into_iter().enumerate() {
                let (turnstile, order) = (Rc::clone(&turnstile), Rc::clone(&order));
                tasks.spawn_local(async move {
                    let turn = turnstile.enter(address).await.unwrap();
                    order.borrow_mut().push(number);
                    drop(turn);
                });
                tokio::task::yield_now().await;
            }
            assert!(order.borrow().is_empty());
            drop(first);
            while tasks.join_next().await.is_some() {}
            assert_eq!(*order.borrow(), [0, 3, 1, 2]);
        });
    }

    #[test]
    fn who_sends_many_is_refused_before_who_sends_few() {
        run(async {
            let turnstile = Turnstile::default();
            let turn = turnstile.enter(ONE).await.unwrap();
            let mut waiting: Vec<_> = (0..WAITING)
                .map(|_| Box::pin(turnstile.enter(ONE)))
                .collect();
            for one in &mut waiting {
                assert!(one.now_or_never().is_none());
            }
            assert!(turnstile.is_full_for(ONE));
            assert!(turnstile.enter(ONE).await.is_none());
            assert!(!turnstile.is_full_for(OTHER));
            let mut other = Box::pin(turnstile.enter(OTHER));
            assert!((&mut other).now_or_never().is_none());
            // Whoever came last of the many makes room.
            let last = waiting.pop().unwrap();
            assert!(matches!(last.now_or_never(), Some(None)));
            drop(turn);
            drop(waiting);
            assert!(other.await.is_some());
            assert!(turnstile.enter(ONE).now_or_never().flatten().is_some());
        });
    }
}
