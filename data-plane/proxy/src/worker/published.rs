//! The place where runtimes are published: written by the agent, looked at by the workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapOption;

use crate::runtime::Runtime;

/// The newest runtime, and a number that tells when there is a newer one.
#[derive(Default)]
pub struct Published {
    generation: AtomicU64,
    runtime: ArcSwapOption<Runtime>,
}

impl Published {
    /// Replaces the runtime. Requests that are open keep the one they have.
    pub fn publish(&self, runtime: Arc<Runtime>) {
        self.runtime.store(Some(runtime));
        self.generation.fetch_add(1, Ordering::Release);
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
