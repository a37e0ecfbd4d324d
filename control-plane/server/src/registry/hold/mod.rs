//! Whether an answer of a registry is believed at once. Registries that restart, or that lose a
//! member, say for a while that services have no or few endpoints: such an answer is held back for
//! a grace time. What it adds counts at once; what it takes away stays meanwhile, where health
//! checks drop what is dead. Pure: time is an input.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use weir_model::endpoint::EndpointSet;

/// How far back an answer is compared: a service that shrinks in steps shrinks all the same.
const WINDOW: Duration = Duration::from_secs(30);

/// An answer that is held back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    /// Since when.
    pub(crate) since: Instant,
    /// When it is taken all the same.
    pub(crate) until: Instant,
    /// The newest answer of the registry.
    pub(crate) offered: Arc<EndpointSet>,
    /// Size that the answers are compared with.
    baseline: usize,
}

/// Judges the answers for one lookup.
#[derive(Debug)]
pub(crate) struct Hold {
    grace: Duration,
    /// The last answer that was believed; `None` before the first.
    believed: Option<Arc<EndpointSet>>,
    /// When the service had how many endpoints, oldest first.
    sizes: VecDeque<(Instant, usize)>,
    held: Option<Held>,
}

impl Hold {
    /// Starts with what was known before, if anything was.
    pub(crate) fn new(grace: Duration, known: Option<Arc<EndpointSet>>, now: Instant) -> Self {
        let mut hold = Self {
            grace,
            believed: None,
            sizes: VecDeque::new(),
            held: None,
        };
        if let Some(known) = known {
            hold.believe(known, now);
        }
        hold
    }

    /// Takes an answer.
    pub(crate) fn offer(&mut self, offered: Arc<EndpointSet>, now: Instant) {
        self.release(now);
        let baseline = match &self.held {
            Some(held) => held.baseline,
            None => self.baseline(now),
        };
        if self.grace.is_zero() || !is_suspicious(baseline, offered.len()) {
            self.held = None;
            self.believe(offered, now);
            return;
        }
        match &mut self.held {
            // The grace time runs from the first such answer.
            Some(held) => held.offered = offered,
            None => {
                self.held = Some(Held {
                    since: now,
                    until: now + self.grace,
                    offered,
                    baseline,
                });
            }
        }
    }

    /// Believes the held answer when its grace time is over; says whether that happened.
    pub(crate) fn release(&mut self, now: Instant) -> bool {
        match self.held.take_if(|held| held.until <= now) {
            Some(held) => {
                self.settle(held.offered, now);
                true
            }
            None => false,
        }
    }

    /// Believes the held answer at once: the operator says so. Whether there was one.
    pub(crate) fn accept(&mut self, now: Instant) -> bool {
        match self.held.take() {
            Some(held) => {
                self.settle(held.offered, now);
                true
            }
            None => false,
        }
    }

    /// The answer that is held back.
    pub(crate) fn held(&self) -> Option<&Held> {
        self.held.as_ref()
    }

    /// What traffic should use; `None` before the first answer.
    pub(crate) fn effective(&self) -> Option<Arc<EndpointSet>> {
        let believed = self.believed.as_ref();
        match (&self.held, believed) {
            (Some(held), Some(believed)) if held.offered.is_empty() => Some(Arc::clone(believed)),
            (Some(held), Some(believed)) => Some(Arc::new(held.offered.with_missing_of(believed))),
            (_, believed) => believed.cloned(),
        }
    }

    fn believe(&mut self, set: Arc<EndpointSet>, now: Instant) {
        self.sizes.push_back((now, set.len()));
        self.believed = Some(set);
    }

    /// From now on only what is said now counts.
    fn settle(&mut self, set: Arc<EndpointSet>, now: Instant) {
        self.sizes.clear();
        self.believe(set, now);
    }

    /// The largest size in effect within the window.
    fn baseline(&mut self, now: Instant) -> usize {
        // A size is in effect until the next one came.
        while let [_, (next, _), ..] = self.sizes.make_contiguous() {
            if now.duration_since(*next) < WINDOW {
                break;
            }
            self.sizes.pop_front();
        }
        self.sizes.iter().map(|(_, size)| *size).max().unwrap_or(0)
    }
}

/// None left, or less than half.
fn is_suspicious(before: usize, now: usize) -> bool {
    before > 0 && now * 2 < before
}

#[cfg(test)]
mod tests;
