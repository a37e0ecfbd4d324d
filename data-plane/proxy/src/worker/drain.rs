//! Draining: connections are told, finish what is open, and the worker waits for the last.
//!
//! It has two steps. At first every answer says that its connection ends, HTTP/2 clients are told
//! to go, and an idle HTTP/1 connection stays: its next request may be on its way, and nobody could
//! tell the client that it was not read. Some time later the idle ones are closed too.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::task::Waker;

use tokio::sync::Notify;

/// The open connections of one worker, and whether they should end. Cheap to clone.
#[derive(Clone, Default)]
pub struct Drain {
    inner: Rc<Inner>,
}

#[derive(Default)]
struct Inner {
    on: Cell<bool>,
    idle_ends: Cell<bool>,
    next: Cell<u64>,
    open: RefCell<HashMap<u64, Option<Waker>>>,
    empty: Notify,
}

impl Drain {
    /// Whether draining has begun.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.inner.on.get()
    }

    /// Begins draining: wakes every connection.
    pub fn begin(&self) {
        self.inner.on.set(true);
        self.wake();
    }

    /// From now on idle connections end too: wakes every connection again.
    pub fn end_idle(&self) {
        self.inner.idle_ends.set(true);
        self.wake();
    }

    fn wake(&self) {
        // Waking may run code that registers.
        let wakers: Vec<Waker> = self
            .inner
            .open
            .borrow()
            .values()
            .flatten()
            .cloned()
            .collect();
        for waker in wakers {
            waker.wake();
        }
    }

    /// How many connections are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.inner.open.borrow().len()
    }

    /// Registers a connection for as long as the result lives.
    #[must_use]
    pub fn register(&self) -> Open {
        let id = self.inner.next.get();
        self.inner.next.set(id.wrapping_add(1));
        self.inner.open.borrow_mut().insert(id, None);
        Open {
            drain: self.clone(),
            id,
        }
    }

    /// Waits until no connection is open.
    pub async fn emptied(&self) {
        while !self.inner.open.borrow().is_empty() {
            self.inner.empty.notified().await;
        }
    }
}

/// One open connection.
pub struct Open {
    drain: Drain,
    id: u64,
}

impl Open {
    /// Wakes this task at each step of a drain.
    pub fn wake_on_drain(&self, waker: &Waker) {
        self.drain
            .inner
            .open
            .borrow_mut()
            .insert(self.id, Some(waker.clone()));
    }

    /// Whether draining has begun: the next answer is the last one.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.drain.is_on()
    }

    /// Whether the connection is to end now when no request is open on it.
    #[must_use]
    pub fn ends_when_idle(&self) -> bool {
        self.drain.inner.idle_ends.get()
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut open = self.drain.inner.open.borrow_mut();
        open.remove(&self.id);
        if open.is_empty() {
            self.drain.inner.empty.notify_one();
        }
    }
}
