//! Windows in Redis of which an agent tells in bundles (`sync_interval`): requests are decided here, by what
//! Redis said last and what was let in since.

use std::sync::Arc;
use std::time::Duration;

use weir_plugin_api::Host;

use super::shared;
use super::window::Verdict;
use crate::redis::Store;
use crate::table::{KeyState, Table};

/// What is known of one key.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Account {
    /// End of the window on the clock of this agent.
    end: Duration,
    /// Requests that Redis knows of.
    used: u64,
    /// Requests let in that Redis does not know of.
    untold: u64,
    /// Whether somebody is about to tell it.
    telling: bool,
}

impl KeyState for Account {
    fn idle_from(&self) -> Duration {
        self.end
    }
}

/// What is done with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decision {
    /// Redis must be asked: the window is over, or was never seen.
    Ask,
    /// This; and somebody must be found to tell Redis, if it says so.
    Decided(Verdict, bool),
}

impl Account {
    fn decide(&mut self, now: Duration, count: u64) -> Decision {
        if now >= self.end {
            return Decision::Ask;
        }
        let taken = self.used.saturating_add(self.untold);
        let allowed = taken < count;
        let must_tell = allowed && !self.telling;
        self.untold += u64::from(allowed);
        self.telling |= allowed;
        let verdict = Verdict {
            allowed,
            remaining: count.saturating_sub(taken.saturating_add(1)),
            reset: self.end - now,
        };
        Decision::Decided(verdict, must_tell)
    }

    /// Takes over what Redis said about a request that it was asked about.
    fn asked(&mut self, now: Duration, count: u64, verdict: Verdict) {
        if now >= self.end {
            self.untold = 0;
        }
        self.end = now.saturating_add(verdict.reset);
        self.used = count.saturating_sub(verdict.remaining);
    }

    /// Requests to tell of now; none when there are none, or their window is over.
    fn begin_telling(&mut self, now: Duration) -> Option<u64> {
        let some = self.untold > 0 && now < self.end;
        self.telling = some;
        some.then_some(self.untold)
    }

    /// Redis was told of so many, and has so many in a window that ends then.
    fn told(&mut self, told: u64, used: u64, end: Duration) {
        self.untold = self.untold.saturating_sub(told);
        self.used = used;
        self.end = end;
    }
}

/// The keys of one plugin configuration.
#[derive(Clone)]
pub(super) struct Bundled {
    /// How often Redis is told.
    pub(super) interval: Duration,
    /// What is known.
    pub(super) accounts: Arc<Table<Account>>,
}

impl Bundled {
    /// Counts one request under `value`.
    ///
    /// # Errors
    /// Why Redis, which had to be asked, did not count it.
    pub(super) async fn count(
        &self,
        store: &Arc<Store>,
        host: &Arc<dyn Host>,
        value: &str,
        count: u64,
        length: Duration,
    ) -> Result<Verdict, String> {
        let now = host.monotonic();
        let decision = self
            .accounts
            .update(value, now, |account| account.decide(now, count));
        match decision {
            Decision::Decided(verdict, must_tell) => {
                if must_tell {
                    self.tell(store, host, value);
                }
                Ok(verdict)
            }
            Decision::Ask => {
                let verdict = shared::count(store, &**host, value, false, count, length).await?;
                let now = host.monotonic();
                self.accounts
                    .update(value, now, |account| account.asked(now, count, verdict));
                Ok(verdict)
            }
        }
    }

    /// Tells Redis after the interval, and again as long as there is something to tell.
    fn tell(&self, store: &Arc<Store>, host: &Arc<dyn Host>, value: &str) {
        let (this, store, host) = (self.clone(), Arc::clone(store), Arc::clone(host));
        let value = value.to_owned();
        let outside = host.outside();
        let telling = async move {
            loop {
                host.outside().sleep(this.interval).await;
                let now = host.monotonic();
                let some = this
                    .accounts
                    .update(&value, now, |account| account.begin_telling(now));
                let Some(some) = some else {
                    return;
                };
                match shared::add(&store, &*host, &value, some).await {
                    Ok((used, left)) => {
                        let now = host.monotonic();
                        let end = now.saturating_add(left);
                        this.accounts
                            .update(&value, now, |account| account.told(some, used, end));
                    }
                    // What was not told is told the next time.
                    Err(problem) => store.complain(&*host, &problem),
                }
            }
        };
        outside.spawn(Box::pin(telling));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn said(remaining: u64, reset: u64) -> Verdict {
        Verdict {
            allowed: true,
            remaining,
            reset: at(reset),
        }
    }

    #[test]
    fn requests_are_decided_by_what_is_known_until_the_window_ends() {
        let mut account = Account::default();
        assert_eq!(account.decide(at(0), 5), Decision::Ask);
        account.asked(at(0), 5, said(3, 10));
        assert_eq!(
            account.decide(at(1), 5),
            Decision::Decided(said(2, 9), true)
        );
        assert_eq!(
            account.decide(at(1), 5),
            Decision::Decided(said(1, 9), false)
        );
        assert_eq!(
            account.decide(at(1), 5),
            Decision::Decided(said(0, 9), false)
        );
        let refused = Verdict {
            allowed: false,
            ..said(0, 9)
        };
        assert_eq!(account.decide(at(1), 5), Decision::Decided(refused, false));
        assert_eq!(account.decide(at(10), 5), Decision::Ask);
    }

    #[test]
    fn what_others_let_in_counts_once_redis_was_told() {
        let mut account = Account::default();
        account.asked(at(0), 10, said(9, 10));
        account.decide(at(1), 10);
        account.decide(at(1), 10);
        assert_eq!(account.begin_telling(at(2)), Some(2));
        // One came in meanwhile.
        account.decide(at(2), 10);
        account.told(2, 9, at(10));
        assert_eq!((account.used, account.untold), (9, 1));
        assert!(matches!(account.decide(at(3), 10), Decision::Decided(v, _) if !v.allowed));
        assert_eq!(account.begin_telling(at(3)), Some(1));
        account.told(1, 10, at(10));
        assert_eq!(account.begin_telling(at(4)), None);
        assert!(!account.telling);
    }

    #[test]
    fn what_was_not_told_before_its_window_ended_is_forgotten() {
        let mut account = Account::default();
        account.asked(at(0), 10, said(9, 10));
        account.decide(at(1), 10);
        assert_eq!(account.begin_telling(at(11)), None);
        account.asked(at(11), 10, said(9, 10));
        assert_eq!((account.used, account.untold), (1, 0));
    }
}
