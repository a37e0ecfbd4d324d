//! The batch processor: keeps entries until a batch is full, old, or nothing more comes, and sends
//! it beside the workers. Bounded: what is too much is dropped and counted.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use weir_plugin_api::outside::Outside;
use weir_plugin_api::{CompileContext, Living};

use super::entry::Entry;
use super::options::BatchOptions;

/// What becomes of a batch, later; the error says, for the log, why nothing of it arrived.
pub(crate) type Delivery = BoxFuture<'static, Result<(), String>>;

/// Sends batches somewhere.
pub(crate) trait Sender: Send + Sync + 'static {
    /// Sends a batch, never empty.
    fn send(&self, outside: &Arc<dyn Outside>, batch: &[Entry]) -> Delivery;
}

/// The processor of one plugin configuration, shared by all workers.
pub(crate) struct Batches {
    name: String,
    route_id: String,
    options: BatchOptions,
    limit: usize,
    outside: Arc<dyn Outside>,
    sender: Box<dyn Sender>,
    waiting: Mutex<Waiting>,
    /// Entries that wait or are under way.
    pending: AtomicUsize,
    dropped: AtomicU64,
    warned: Mutex<Option<Instant>>,
    /// Held, since state that nobody holds is swept away.
    known: Arc<Known>,
}

#[derive(Default)]
struct Waiting {
    entries: Vec<Entry>,
    /// When the first and the last of them came.
    times: Option<(Instant, Instant)>,
    /// Whether somebody looks after them.
    is_watched: bool,
}

/// What is to be done with entries that wait.
#[derive(Debug, PartialEq, Eq)]
enum Due {
    Now,
    In(Duration),
}

fn due(first: Instant, last: Instant, options: &BatchOptions, now: Instant) -> Due {
    let left = |since: Instant, seconds: u64| {
        Duration::from_secs(seconds).saturating_sub(now.saturating_duration_since(since))
    };
    let left = left(last, options.inactive_timeout).min(left(first, options.buffer_duration));
    if left.is_zero() {
        Due::Now
    } else {
        Due::In(left)
    }
}

impl Batches {
    /// The processor of this configuration, made when there is none.
    pub(crate) fn shared(
        name: &str,
        options: &BatchOptions,
        limit: usize,
        context: &CompileContext<'_>,
        sender: impl Sender,
    ) -> Arc<Self> {
        let key = format!("{}\0{limit}", context.state_key(name));
        let owner = context.owner.map(|owner| owner.id.to_string());
        let batches = context.living.get_or_init(&key, || Self {
            name: name.to_owned(),
            route_id: owner.unwrap_or_default(),
            options: options.clone(),
            limit,
            outside: Arc::clone(&context.outside),
            sender: Box::new(sender),
            waiting: Mutex::default(),
            pending: AtomicUsize::new(0),
            dropped: AtomicU64::new(0),
            warned: Mutex::default(),
            known: Known::of(&context.living),
        });
        if context.owner.is_some() {
            batches.known.add(&batches);
        }
        batches
    }

    /// Takes an entry, or drops it when there are too many.
    pub(crate) fn push(self: &Arc<Self>, entry: Entry) {
        let now = Instant::now();
        if self.pending.fetch_add(1, Ordering::Relaxed) >= self.limit {
            self.pending.fetch_sub(1, Ordering::Relaxed);
            self.dropped.fetch_add(1, Ordering::Relaxed);
            self.warn(now);
            return;
        }
        let mut waiting = self.waiting();
        waiting.entries.push(entry);
        let first = waiting.times.map_or(now, |(first, _)| first);
        waiting.times = Some((first, now));
        if waiting.entries.len() >= self.options.batch_max_size {
            let batch = std::mem::take(&mut waiting.entries);
            waiting.times = None;
            drop(waiting);
            self.dispatch(batch);
        } else if !std::mem::replace(&mut waiting.is_watched, true) {
            drop(waiting);
            self.outside.spawn(Box::pin(watch(Arc::clone(self))));
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Once a second at most.
    fn warn(&self, now: Instant) {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        let recently = warned.is_some_and(|at| now.saturating_duration_since(at).as_secs() < 1);
        if !recently {
            *warned = Some(now);
            tracing::warn!(
                plugin = self.name,
                route = self.route_id,
                dropped = self.dropped.load(Ordering::Relaxed),
                "log entries are dropped: {} wait already (max_pending_entries)",
                self.limit
            );
        }
    }

    fn dispatch(self: &Arc<Self>, batch: Vec<Entry>) {
        self.outside
            .spawn(Box::pin(deliver(Arc::clone(self), batch)));
    }
}

/// Looks after entries that wait until none does.
async fn watch(batches: Arc<Batches>) {
    loop {
        let left = {
            let mut waiting = batches.waiting();
            let Some((first, last)) = waiting.times else {
                waiting.is_watched = false;
                return;
            };
            match due(first, last, &batches.options, Instant::now()) {
                Due::In(left) => left,
                Due::Now => {
                    let batch = std::mem::take(&mut waiting.entries);
                    waiting.times = None;
                    waiting.is_watched = false;
                    drop(waiting);
                    batches.dispatch(batch);
                    return;
                }
            }
        };
        batches.outside.sleep(left).await;
    }
}

/// Sends a batch, and again as often as the options say.
async fn deliver(batches: Arc<Batches>, batch: Vec<Entry>) {
    let count = batch.len();
    let mut tries = 0;
    while let Err(reason) = batches.sender.send(&batches.outside, &batch).await {
        let again = tries < batches.options.max_retry_count;
        tracing::warn!(
            plugin = batches.name,
            route = batches.route_id,
            entries = count,
            "log entries could not be sent{}: {reason}",
            if again {
                ", trying again"
            } else {
                " and are dropped"
            },
        );
        if !again {
            batches.dropped.fetch_add(count as u64, Ordering::Relaxed);
            break;
        }
        tries += 1;
        let pause = Duration::from_secs(batches.options.retry_delay);
        batches.outside.sleep(pause).await;
    }
    batches.pending.fetch_sub(count, Ordering::Relaxed);
}

/// All processors of an agent, for its metrics.
#[derive(Default)]
pub(crate) struct Known(Mutex<Vec<Weak<Batches>>>);

impl Known {
    const STATE: &'static str = "logging\0processors";

    fn of(living: &Living) -> Arc<Self> {
        living.get_or_init(Self::STATE, Self::default)
    }

    fn add(&self, batches: &Arc<Batches>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|other| other.strong_count() > 0 && !std::ptr::eq(other.as_ptr(), &**batches));
        known.push(Arc::downgrade(batches));
    }

    /// Plugin, route, entries that wait, and entries dropped, of each.
    pub(crate) fn counts(living: &Living) -> Vec<(String, String, usize, u64)> {
        let Some(known) = living.get::<Self>(Self::STATE) else {
            return Vec::new();
        };
        let known = known.0.lock().unwrap_or_else(PoisonError::into_inner);
        let alive = known.iter().filter_map(Weak::upgrade);
        let mut counts: Vec<_> = alive
            .map(|batches| {
                let pending = batches.pending.load(Ordering::Relaxed);
                let dropped = batches.dropped.load(Ordering::Relaxed);
                (
                    batches.name.clone(),
                    batches.route_id.clone(),
                    pending,
                    dropped,
                )
            })
            .collect();
        counts.sort_unstable();
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_due_when_it_is_old_or_nothing_comes() {
        let options = BatchOptions::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(
            due(at(0), at(0), &options, at(0)),
            Due::In(Duration::from_secs(5))
        );
        assert_eq!(
            due(at(0), at(3), &options, at(4)),
            Due::In(Duration::from_secs(4))
        );
        assert_eq!(due(at(0), at(3), &options, at(8)), Due::Now);
        assert_eq!(
            due(at(0), at(58), &options, at(59)),
            Due::In(Duration::from_secs(1))
        );
        assert_eq!(due(at(0), at(59), &options, at(60)), Due::Now);
    }
}
