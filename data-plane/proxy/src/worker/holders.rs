//! What open client connections hold of the process' memory, and who is asked to go when it is
//! short: first those on which nothing is asked, then those that hold most.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};

use futures_util::FutureExt;

use crate::admission::Admission;

/// What a connection costs that holds nothing.
const BASE: u64 = 16 * 1024;
/// What an open request costs besides what it is known to hold.
const REQUEST: u64 = 16 * 1024;
/// Connections that hold less are not worth ending.
const LEAST: u64 = 64 * 1024;
/// The process is told of so much at once, more or less: what all workers change is dear.
const TELL: u64 = 64 * 1024;

/// The open connections of one worker. Cheap to clone.
#[derive(Clone)]
pub struct Holders {
    inner: Rc<Inner>,
}

struct Inner {
    next: Cell<u64>,
    open: RefCell<HashMap<u64, Rc<State>>>,
    /// Bytes that all of them hold, and how many the process knows of.
    held: Cell<u64>,
    told: Cell<u64>,
    admission: Arc<Admission>,
}

impl Inner {
    /// Holds so many in place of so many before.
    fn change(&self, before: u64, after: u64) {
        let held = self.held.get().saturating_sub(before).saturating_add(after);
        self.held.set(held);
        let told = self.told.get();
        if held.abs_diff(told) < TELL {
            return;
        }
        self.told.set(held);
        let memory = &self.admission.memory;
        if held > told {
            memory.hold(held - told);
        } else {
            memory.let_go(told - held);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.admission.memory.let_go(self.told.get());
    }
}

#[derive(Default)]
struct State {
    requests: Cell<u32>,
    held: Cell<u64>,
    /// Number of the last request that ended, over all connections: the lower, the longer idle.
    idle_since: Cell<u64>,
    ended: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl State {
    fn weight(&self) -> u64 {
        let requests = u64::from(self.requests.get()) * REQUEST;
        BASE.saturating_add(self.held.get())
            .saturating_add(requests)
    }

    fn end(&self) {
        self.ended.set(true);
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }
}

impl Holders {
    /// None yet.
    #[must_use]
    pub fn new(admission: Arc<Admission>) -> Self {
        Self {
            inner: Rc::new(Inner {
                next: Cell::new(0),
                open: RefCell::default(),
                held: Cell::new(0),
                told: Cell::new(0),
                admission,
            }),
        }
    }

    /// Gives back the room that a flood of connections took in the table.
    pub fn shrink(&self) {
        let mut open = self.inner.open.borrow_mut();
        if open.capacity() > open.len().saturating_mul(4) {
            let room = open.len().saturating_mul(2);
            open.shrink_to(room);
        }
    }

    /// Registers a connection for as long as the result lives.
    #[must_use]
    pub fn register(&self) -> Registered {
        let id = self.turn();
        let state = Rc::new(State::default());
        state.idle_since.set(id);
        self.inner.open.borrow_mut().insert(id, Rc::clone(&state));
        Registered {
            holder: Holder {
                holders: self.clone(),
                state,
            },
            id,
        }
    }

    fn turn(&self) -> u64 {
        let turn = self.inner.next.get();
        self.inner.next.set(turn.wrapping_add(1));
        turn
    }

    /// Ends one in `part` of the connections without an open request, 16 at least, those that have
    /// been without one for longest first; says how many.
    pub fn end_idle(&self, part: usize) -> u64 {
        let open = self.inner.open.borrow();
        let idle = open.values();
        let mut idle: Vec<_> = idle
            .filter(|state| state.requests.get() == 0 && !state.ended.get())
            .collect();
        let wanted = (idle.len() / part.max(1)).max(16);
        idle.sort_unstable_by_key(|state| state.idle_since.get());
        idle.truncate(wanted);
        for state in &idle {
            state.end();
        }
        idle.len() as u64
    }

    /// Ends connections that hold most, and much, until they hold `bytes` together; says how many, and
    /// what they hold.
    pub fn end_largest(&self, bytes: u64) -> (u64, u64) {
        let open = self.inner.open.borrow();
        let all = open.values();
        let mut all: Vec<_> = all
            .filter(|state| !state.ended.get() && state.weight() >= LEAST)
            .collect();
        all.sort_unstable_by_key(|state| std::cmp::Reverse(state.weight()));
        let mut freed = 0_u64;
        let mut ended = 0;
        for state in all {
            if freed >= bytes {
                break;
            }
            freed = freed.saturating_add(state.weight());
            ended += 1;
            state.end();
        }
        (ended, freed)
    }
}

/// A connection in the table.
pub struct Registered {
    holder: Holder,
    id: u64,
}

impl Registered {
    /// What the connection tells of itself.
    #[must_use]
    pub fn holder(&self) -> Holder {
        self.holder.clone()
    }

    /// Runs the connection until it ends, or is to end at once.
    pub async fn run(self, mut connection: impl Future<Output = ()> + Unpin) {
        poll_fn(|cx| {
            let state = &self.holder.state;
            if state.ended.get() {
                return Poll::Ready(());
            }
            let mut waker = state.waker.borrow_mut();
            match waker.as_mut() {
                Some(known) => known.clone_from(cx.waker()),
                None => *waker = Some(cx.waker().clone()),
            }
            drop(waker);
            connection.poll_unpin(cx)
        })
        .await;
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut open = self.holder.holders.inner.open.borrow_mut();
        open.remove(&self.id);
    }
}

/// What one connection tells of itself. Cheap to clone.
#[derive(Clone)]
pub struct Holder {
    holders: Holders,
    state: Rc<State>,
}

impl Holder {
    /// A request is open on it from now on.
    pub fn request_began(&self) {
        self.state.requests.set(self.state.requests.get() + 1);
    }

    /// It is not any more.
    pub fn request_ended(&self) {
        let left = self.state.requests.get().saturating_sub(1);
        self.state.requests.set(left);
        self.state.idle_since.set(self.holders.turn());
    }

    /// Holds more bytes, until the result is dropped.
    #[must_use]
    pub fn hold(&self) -> Rc<Share> {
        Rc::new(Share {
            holder: self.clone(),
            bytes: Cell::new(0),
        })
    }
}

/// Bytes that a connection holds for one purpose.
pub struct Share {
    holder: Holder,
    bytes: Cell<u64>,
}

impl Share {
    /// Holds so many, whatever it was.
    pub fn set(&self, bytes: usize) {
        self.change(bytes as u64);
    }

    /// Holds so many more.
    pub fn grow(&self, by: usize) {
        self.change(self.bytes.get().saturating_add(by as u64));
    }

    /// Whether memory is so short that nothing may grow.
    #[must_use]
    pub fn is_bounded(&self) -> bool {
        self.holder.holders.inner.admission.memory.is_short()
    }

    fn change(&self, bytes: u64) {
        let before = self.bytes.replace(bytes);
        if before == bytes {
            return;
        }
        let Holder { holders, state } = &self.holder;
        let held = state.held.get();
        state
            .held
            .set(held.saturating_sub(before).saturating_add(bytes));
        holders.inner.change(before, bytes);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.change(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::Settings;

    fn holders() -> (Arc<Admission>, Holders) {
        let admission = Arc::new(Admission::new(&Settings::default(), 1, None, None));
        let holders = Holders::new(Arc::clone(&admission));
        (admission, holders)
    }

    /// A connection that lasts until it is ended.
    fn open(holders: &Holders) -> (Holder, std::pin::Pin<Box<dyn Future<Output = ()>>>) {
        let registered = holders.register();
        let holder = registered.holder();
        let mut running = registered.run(std::future::pending()).boxed_local();
        assert!((&mut running).now_or_never().is_none());
        (holder, running)
    }

    #[test]
    fn whoever_holds_most_goes_first() {
        let (admission, holders) = holders();
        let (small, mut small_runs) = open(&holders);
        let (large, mut large_runs) = open(&holders);
        let (_idle, mut idle_runs) = open(&holders);
        let share = small.hold();
        share.grow(100_000);
        let more = large.hold();
        more.grow(1_000_000);
        assert_eq!(admission.memory.held(), 1_100_000);
        assert_eq!(holders.end_largest(500_000), (1, BASE + 1_000_000));
        assert!((&mut large_runs).now_or_never().is_some());
        assert!((&mut small_runs).now_or_never().is_none());
        assert_eq!(holders.end_largest(1), (1, BASE + 100_000));
        assert!(small_runs.now_or_never().is_some());
        assert!((&mut idle_runs).now_or_never().is_none());
        assert_eq!(holders.end_largest(1), (0, 0));
        drop((share, more));
        assert_eq!(admission.memory.held(), 0);
        drop((large_runs, idle_runs));
        assert!(holders.inner.open.borrow().is_empty());
    }

    #[test]
    fn idle_ones_go_by_age_and_busy_ones_stay() {
        let (_, holders) = holders();
        let mut all: Vec<_> = (0..100).map(|_| open(&holders)).collect();
        for (holder, _) in &all[..50] {
            holder.request_began();
        }
        // The first of the others has just been busy.
        all[50].0.request_began();
        all[50].0.request_ended();
        assert_eq!(holders.end_idle(2), 25);
        let ended: Vec<usize> = (0..100)
            .filter(|number| (&mut all[*number].1).now_or_never().is_some())
            .collect();
        assert_eq!(ended, (51..76).collect::<Vec<_>>());
        assert_eq!(holders.end_idle(1_000), 16);
    }
}
