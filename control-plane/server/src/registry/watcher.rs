//! The task of one lookup: watches its registry, holds strange answers, and tells the table.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};
use weir_discovery::{Reports, Seen, reports};
use weir_model::endpoint::{EndpointKey, Lookup};

use super::backoff;
use super::counters::Counters;
use super::hold::Hold;
use super::record::{Failure, HeldBack};
use super::sources::Source;
use super::table::{Learnt, Table};
use crate::Shared;

/// Between two changes that agents are told of.
const COALESCE: Duration = Duration::from_millis(100);
/// A watch that lived this long was a good one: the next pause is short again.
const GOOD: Duration = Duration::from_secs(10);

/// Follows one lookup.
pub(super) struct Watcher {
    pub(super) key: EndpointKey,
    pub(super) lookup: Lookup,
    pub(super) source: Source,
    pub(super) table: Arc<Table>,
    pub(super) counters: Counters,
    /// The operator takes what is held back.
    pub(super) accept: Arc<Notify>,
}

impl Watcher {
    /// Watches until it is dropped.
    pub(super) async fn run(self) {
        self.table.begins(&self.key, &self.source.name);
        let known = self.table.set(&self.key);
        let mut hold = Hold::new(self.lookup.grace, known, Instant::now());
        let mut failures = 0;
        loop {
            let began = Instant::now();
            let (reporter, reports) = reports();
            let watch = self.source.registry.watch(&self.lookup, reporter);
            let failed = tokio::select! {
                biased;
                () = self.listen(reports, &mut hold) => return,
                Err(error) = watch => error,
            };
            failures = if began.elapsed() >= GOOD {
                1
            } else {
                failures + 1
            };
            self.failed(failed);
            let pause = backoff::pause(failures, rand::random());
            let (_silent, reports) = weir_discovery::reports();
            tokio::select! {
                () = sleep(pause) => {}
                // What is held must be released in time also while nothing can be read.
                () = self.listen(reports, &mut hold) => return,
            }
        }
    }

    /// Takes reports, and looks at the clock for what is held. Never returns.
    async fn listen(&self, mut reports: Reports, hold: &mut Hold) {
        let mut quiet_until = Instant::now();
        loop {
            let until = hold.held().map(|held| held.until);
            let over = async {
                match until {
                    Some(until) => sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            // Whatever is reported in the quiet time is taken as one.
            let next = async {
                sleep_until(quiet_until).await;
                reports.next().await
            };
            let now = tokio::select! {
                seen = next => {
                    let now = Instant::now();
                    if self.seen(seen, hold, now) {
                        quiet_until = now + COALESCE;
                    }
                    continue;
                }
                () = over => Instant::now(),
                () = self.accept.notified() => {
                    let now = Instant::now();
                    hold.accept(now);
                    now
                }
            };
            hold.release(now);
            self.tell(None, hold, now);
        }
    }

    fn seen(&self, seen: Seen, hold: &mut Hold, now: Instant) -> bool {
        let was_held = hold.held().is_some();
        hold.offer(seen.set, now);
        if let Some(held) = hold.held().filter(|_| !was_held) {
            self.counters.held.inc();
            tracing::warn!(
                lookup = %self.key,
                offered = held.offered.len(),
                grace = ?self.lookup.grace,
                "the registry names less than half of the endpoints: held back"
            );
        }
        self.tell(Some((seen.index, seen.note)), hold, now)
    }

    /// Tells the table; says whether agents are told something new.
    fn tell(&self, answer: Option<(String, Option<String>)>, hold: &Hold, now: Instant) -> bool {
        let now_ms = Shared::now_ms();
        let set = hold.effective();
        let held = hold.held().map(|held| {
            let all = set.as_ref().map_or(0, |set| set.len());
            HeldBack {
                since_ms: now_ms.saturating_sub(milliseconds(now.duration_since(held.since))),
                until_ms: now_ms + milliseconds(held.until.duration_since(now)),
                offered: held.offered.len(),
                missing: all.saturating_sub(held.offered.len()),
            }
        });
        let learnt = Learnt { answer, set, held };
        let news = self.table.learn(&self.key, learnt, now_ms);
        if news {
            self.counters.changes.inc();
        }
        news
    }

    fn failed(&self, error: weir_discovery::Error) {
        self.counters.failed(error.kind);
        let failure = Failure::from(error);
        let message = failure.message.clone();
        if self.table.fail(&self.key, failure, Shared::now_ms()) {
            tracing::warn!(lookup = %self.key, "registry cannot be read: {message}; what is known stays");
        }
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
