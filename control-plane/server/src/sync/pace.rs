//! Admission of full sets: after a restart every agent may want one at the same time.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Lets a bounded number of full sets travel at once, first come first served.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    permits: Arc<Semaphore>,
}

/// The right to send one full set; dropping it lets the next one go.
#[derive(Debug)]
pub(crate) struct Admission {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Pace {
    /// At most `at_once` full sets, at least one.
    pub(crate) fn new(at_once: usize) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(at_once.max(1))),
        }
    }

    /// Waits for its turn. Dropping the future gives the place in the queue up.
    pub(crate) async fn admit(&self) -> Admission {
        Admission {
            // The semaphore is never closed.
            _permit: Arc::clone(&self.permits).acquire_owned().await.ok(),
        }
    }
}
