//! The retry budget of one upstream on this agent: retries must not become a storm.
//!
//! Allowed is a share of the active requests, and a few however idle the upstream is. Against it
//! count the retries of requests that got no answer in the end. Each new request pays off its
//! share of them, so that an upstream that is dead for long is tried a little more often than it
//! is asked, and no more. A request that was answered takes its retries back: while some node
//! works, the failures of another stay hidden from clients.
//!
//! While nodes answer, retries under way do not count, since their requests will most likely get
//! an answer. Once some requests in a row got none, they count from the moment they start; so do
//! those of one request that has asked every node and goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use weir_model::upstream::RetryBudget;

/// What one retry costs.
const RETRY: u64 = 1000;
/// Requests without an answer in a row after which nobody is expected to answer.
const SILENT: u32 = 3;

/// Retries that one request may make before they count, however few nodes there are.
pub(super) const OWN: u32 = 10;

/// What is shared by the workers. Counters are kept apart, so that a moment's reading may be off
/// by what other workers do in the same microsecond; what is spent is never lost.
#[derive(Debug, Default)]
pub struct Budget {
    /// Requests that are open.
    active: AtomicU32,
    /// Retries of open requests that have no answer yet.
    under_way: AtomicU32,
    /// What failed requests spent and later ones did not pay off yet, in thousandths of a retry.
    debt: AtomicU64,
    /// Requests without an answer since the last one with.
    unanswered: AtomicU32,
}

impl Budget {
    fn pay_off(&self, amount: u64) {
        // The common case costs a read.
        if self.debt.load(Ordering::Relaxed) == 0 {
            return;
        }
        let paid = |debt: u64| Some(debt.saturating_sub(amount));
        // The closure always gives a value.
        let _ = self
            .debt
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, paid);
    }

    /// Takes one retry if it is allowed; `own` of the request's count already, this one included.
    fn take(&self, policy: RetryBudget, own: u32) -> bool {
        let under_way = u64::from(self.under_way.fetch_add(1, Ordering::Relaxed)) + 1;
        let active = u64::from(self.active.load(Ordering::Relaxed));
        let allowed = active
            .saturating_mul(share(policy))
            .max(u64::from(policy.min) * RETRY);
        let silent = self.unanswered.load(Ordering::Relaxed) >= SILENT;
        let held = RETRY * if silent { under_way } else { u64::from(own) };
        let fits = self.debt.load(Ordering::Relaxed).saturating_add(held) <= allowed;
        if !fits {
            self.under_way.fetch_sub(1, Ordering::Relaxed);
        }
        fits
    }
}

/// What one request is worth, in thousandths of a retry.
fn share(policy: RetryBudget) -> u64 {
    // Negative and undefined shares do not pass the schema; the cast would make them 0.
    (policy.percent * 10.0) as u64
}

/// The part of one open request. Dropping it without a word, since the client is gone, gives its
/// retries back.
#[derive(Debug)]
pub struct Account {
    budget: Arc<Budget>,
    policy: RetryBudget,
    /// Retries that do not count while nodes answer.
    free: u32,
    taken: u32,
}

impl Account {
    /// A request begins; its first `free` retries do not count while nodes answer.
    #[must_use]
    pub fn open(budget: Arc<Budget>, policy: RetryBudget, free: u32) -> Self {
        budget.active.fetch_add(1, Ordering::Relaxed);
        budget.pay_off(share(policy));
        Self {
            budget,
            policy,
            free,
            taken: 0,
        }
    }

    /// Whether one more try is within the budget; if so, it is taken.
    #[must_use]
    pub fn take(&mut self) -> bool {
        let own = self.taken.saturating_add(1).saturating_sub(self.free);
        let fits = self.budget.take(self.policy, own.max(1));
        self.taken += u32::from(fits);
        fits
    }

    /// A node answered.
    pub fn answered(&mut self) {
        if self.budget.unanswered.load(Ordering::Relaxed) > 0 {
            self.budget.unanswered.store(0, Ordering::Relaxed);
        }
        self.give_back();
    }

    /// No node answered, and no further try will be made.
    pub fn failed(&mut self) {
        let spent = u64::from(self.taken) * RETRY;
        self.budget.debt.fetch_add(spent, Ordering::Relaxed);
        // Beyond the mark the count does not matter; this keeps it from going round.
        if self.budget.unanswered.load(Ordering::Relaxed) < SILENT {
            self.budget.unanswered.fetch_add(1, Ordering::Relaxed);
        }
        self.give_back();
    }

    fn give_back(&mut self) {
        let taken = std::mem::take(&mut self.taken);
        if taken > 0 {
            self.budget.under_way.fetch_sub(taken, Ordering::Relaxed);
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.give_back();
        self.budget.active.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
