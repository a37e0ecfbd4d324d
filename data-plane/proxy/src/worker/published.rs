//! The place where runtimes are published: written by the agent, looked at by the workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use tokio::sync::watch;

use crate::runtime::Runtime;

/// The newest runtime, and a number that tells when there is a newer one.
#[derive(Default)]
pub struct Published {
    generation: AtomicU64,
    runtime: ArcSwapOption<Runtime>,
    /// For those who wait instead of looking at the number.
    newest: watch::Sender<()>,
}

impl Published {
    /// Replaces the runtime. Requests that are open keep the one they have.
    pub fn publish(&self, runtime: Arc<Runtime>) {
        self.runtime.store(Some(runtime));
        self.tell();
    }

    /// Replaces the runtime, if `old` is still the newest; says whether it was.
    pub fn replace(&self, old: &Arc<Runtime>, new: Arc<Runtime>) -> bool {
        let expected = Some(Arc::clone(old));
        let found = self.runtime.compare_and_swap(&expected, Some(new));
        let replaced = found.as_ref().is_some_and(|found| Arc::ptr_eq(found, old));
        if replaced {
            self.tell();
        }
        replaced
    }

    fn tell(&self) {
        self.generation.fetch_add(1, Ordering::Release);
        self.newest.send_replace(());
    }

    /// Tells of every publication from now on, until nobody publishes any more.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<()> {
        self.newest.subscribe()
    }

    /// Grows with every publication; 0 before the first.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The newest runtime.
    #[must_use]
    pub fn runtime(&self) -> Option<Arc<Runtime>> {
        self.runtime.load_full()
    }
}
