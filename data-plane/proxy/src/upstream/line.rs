//! Requests of one worker that wait for a connection whose number is limited: they are handed the
//! connections that others of the worker are done with.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use tokio::sync::Notify;

use super::pool::PoolKey;

/// Those who wait for connections that are kept under one key.
#[derive(Default)]
pub struct Line {
    length: Cell<u32>,
    /// Something has come for one of them.
    pub came: Notify,
}

impl Line {
    /// How many wait.
    #[must_use]
    pub fn length(&self) -> u32 {
        self.length.get()
    }

    /// Tells one of them to look; nothing when nobody waits.
    pub fn call(&self) {
        if self.length.get() > 0 {
            self.came.notify_one();
        }
    }
}

/// The lines of one worker.
#[derive(Default)]
pub struct Lines {
    by_key: RefCell<HashMap<PoolKey, Rc<Line>>>,
}

impl Lines {
    /// The line for a key; an empty one when nobody waits.
    pub fn of(&self, key: &PoolKey) -> Rc<Line> {
        let mut lines = self.by_key.borrow_mut();
        match lines.get(key) {
            Some(line) => Rc::clone(line),
            None => Rc::clone(lines.entry(key.clone()).or_default()),
        }
    }

    /// How many wait for a key.
    #[must_use]
    pub fn length(&self, key: &PoolKey) -> u32 {
        let lines = self.by_key.borrow();
        lines.get(key).map_or(0, |line| line.length())
    }

    /// Tells one of those who wait for a key.
    pub fn call(&self, key: &PoolKey) {
        if let Some(line) = self.by_key.borrow().get(key) {
            line.call();
        }
    }

    /// Forgets lines that nobody holds.
    pub fn sweep(&self) {
        let mut lines = self.by_key.borrow_mut();
        lines.retain(|_, line| Rc::strong_count(line) > 1);
    }
}

/// One who waits, until it is dropped.
pub struct Waiting(Rc<Line>);

impl Waiting {
    /// Joins a line.
    #[must_use]
    pub fn join(line: Rc<Line>) -> Self {
        line.length.set(line.length.get() + 1);
        Self(line)
    }

    /// Completes when something has come.
    pub async fn called(&self) {
        self.0.came.notified().await;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.length.set(self.0.length.get().saturating_sub(1));
    }
}
