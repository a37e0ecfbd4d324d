//! Draining: connections are told, finish what is open, and the worker waits for the last.

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
        let wakers: Vec<Waker> = self
            .inner
            .open
            .borrow_mut()
            .values_mut()
            .filter_map(Option::take)
            .collect();
        for waker in wakers {
            waker.wake();
        }
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
    /// Wakes this task when draining begins.
    pub fn wake_on_drain(&self, waker: &Waker) {
        self.drain
            .inner
            .open
            .borrow_mut()
            .insert(self.id, Some(waker.clone()));
    }

    /// Whether draining has begun.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.drain.is_on()
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
