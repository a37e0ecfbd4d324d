//! Since when a connection has had no request in progress.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Requests in progress, and when the last one ended.
#[derive(Debug)]
pub(super) struct Activity(Mutex<State>);

#[derive(Debug, Clone, Copy)]
struct State {
    busy: usize,
    last: Instant,
}

impl Default for Activity {
    fn default() -> Self {
        Self(Mutex::new(State {
            busy: 0,
            last: Instant::now(),
        }))
    }
}

/// A request in progress, until it is dropped.
pub(super) struct Busy(Arc<Activity>);

impl Activity {
    pub(super) fn begin(self: &Arc<Self>) -> Busy {
        self.state().busy += 1;
        Busy(Arc::clone(self))
    }

    /// Counts idle time from now on.
    pub(super) fn touch(&self) {
        self.state().last = Instant::now();
    }

    /// Waits until no request has been in progress for `limit`.
    pub(super) async fn idle_for(&self, limit: Duration) {
        loop {
            let State { busy, last } = *self.state();
            let until = if busy > 0 { Instant::now() } else { last } + limit;
            if until <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.busy = state.busy.saturating_sub(1);
        state.last = Instant::now();
    }
}
