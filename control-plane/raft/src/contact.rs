//! When a node was last part of a working majority. Openraft tells a leader when a majority
//! answered it, but tells nobody that the leader has gone silent.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The last sign of a working majority.
#[derive(Debug)]
pub(crate) struct Contact {
    started: Instant,
    /// Milliseconds after `started`.
    last_ms: AtomicU64,
    /// Term of the last sign: to be elected takes a majority.
    term: AtomicU64,
}

impl Contact {
    /// The start of a node counts as a sign: it has just begun to listen.
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            last_ms: AtomicU64::new(0),
            term: AtomicU64::new(0),
        }
    }

    /// A leader was heard, that of `term`.
    pub(crate) fn touch(&self, term: u64) {
        self.term.store(term, Ordering::Relaxed);
        let ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_ms.fetch_max(ms, Ordering::Relaxed);
    }

    /// The same by a node that leads in `term`: counts once a term.
    pub(crate) fn elected(&self, term: u64) {
        if self.term.swap(term, Ordering::Relaxed) != term {
            self.touch(term);
        }
    }

    /// Time since the last sign.
    pub(crate) fn age(&self) -> Duration {
        let last = Duration::from_millis(self.last_ms.load(Ordering::Relaxed));
        self.started.elapsed().saturating_sub(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A contact whose node started a while ago.
    fn old(age: Duration) -> Contact {
        Contact {
            started: Instant::now().checked_sub(age).unwrap(),
            ..Contact::new()
        }
    }

    #[test]
    fn silence_is_counted_from_the_last_sign() {
        let contact = old(Duration::from_secs(60));
        assert!(contact.age() >= Duration::from_secs(60));
        contact.touch(3);
        assert!(contact.age() < Duration::from_secs(10));
    }

    #[test]
    fn an_election_counts_once() {
        let contact = old(Duration::from_secs(60));
        contact.touch(3);
        contact.last_ms.store(0, Ordering::Relaxed);
        contact.elected(3);
        assert!(contact.age() >= Duration::from_secs(60));
        contact.elected(4);
        assert!(contact.age() < Duration::from_secs(10));
    }
}
