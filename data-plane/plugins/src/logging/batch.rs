//! The batch processor: keeps entries until a batch is full, old, or nothing more comes, and sends
//! it beside the workers. Bounded: what is too much is dropped and counted.

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use weir_plugin_api::CompileContext;
use weir_plugin_api::outside::Outside;

use super::count::{Count, Known};
use super::entry::Entry;
use super::options::BatchOptions;

/// What becomes of a batch, later.
pub(crate) type Delivery = BoxFuture<'static, Result<(), Undelivered>>;

/// A batch that did not arrive whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Undelivered {
    /// Why, for the log.
    pub(crate) reason: String,
    /// Entries at its beginning that did arrive: they are not sent again.
    pub(crate) arrived: usize,
}

impl From<String> for Undelivered {
    /// Nothing of the batch arrived.
    fn from(reason: String) -> Self {
        Self { reason, arrived: 0 }
    }
}

/// Sends batches somewhere.
pub(crate) trait Sender<E = Entry>: Send + Sync + 'static {
    /// Sends a batch, never empty.
    fn send(&self, outside: &Arc<dyn Outside>, batch: &[E]) -> Delivery;
}

/// When batches leave, and how often they are tried.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    /// Entries of one batch.
    pub(crate) batch_max_size: usize,
    /// A batch leaves when nothing came for so long.
    pub(crate) inactive: Duration,
    /// A batch leaves when its oldest entry is so old.
    pub(crate) buffer: Duration,
    /// How often a batch that could not be sent is tried again.
    pub(crate) retries: u32,
    /// Pause between two tries.
    pub(crate) pause: Duration,
    /// Entries that wait or are under way; more are dropped.
    pub(crate) limit: usize,
    /// Whether what waits leaves at once when the limit is reached, and as many again may come.
    pub(crate) hurries: bool,
    /// The same in bytes.
    pub(crate) sizes: Sizes,
}

impl Rules {
    /// The rules of a plugin that has the common options.
    pub(crate) fn new(options: &BatchOptions, limit: usize) -> Self {
        Self {
            batch_max_size: options.batch_max_size,
            inactive: Duration::from_secs(options.inactive_timeout),
            buffer: Duration::from_secs(options.buffer_duration),
            retries: options.max_retry_count,
            pause: Duration::from_secs(options.retry_delay),
            limit,
            hurries: false,
            sizes: Sizes::NONE,
        }
    }
}

/// Bounds in bytes, for processors whose entries have a size.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// A batch of so many leaves at once.
    pub(crate) flush: usize,
    /// An entry that would make more wait, or be under way, is dropped.
    pub(crate) drop: usize,
}

impl Sizes {
    const NONE: Self = Self {
        flush: usize::MAX,
        drop: usize::MAX,
    };
}

/// The processor of one plugin configuration, shared by all workers.
pub(crate) struct Batches<E = Entry> {
    count: Arc<Count>,
    rules: Rules,
    outside: Arc<dyn Outside>,
    sender: Box<dyn Sender<E>>,
    waiting: Mutex<Waiting<E>>,
    warned: Mutex<Option<Instant>>,
    /// Held, since state that nobody holds is swept away.
    _known: Arc<Known>,
}

struct Waiting<E> {
    entries: Vec<E>,
    bytes: usize,
    /// When the first and the last of them came.
    times: Option<(Instant, Instant)>,
    /// Whether somebody looks after them.
    is_watched: bool,
}

impl<E> Default for Waiting<E> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            bytes: 0,
            times: None,
            is_watched: false,
        }
    }
}

impl<E> Waiting<E> {
    fn take(&mut self) -> Batch<E> {
        self.times = None;
        Batch {
            entries: std::mem::take(&mut self.entries),
            bytes: std::mem::take(&mut self.bytes),
        }
    }
}

/// Entries on their way.
struct Batch<E> {
    entries: Vec<E>,
    bytes: usize,
}

/// What is to be done with entries that wait.
#[derive(Debug, PartialEq, Eq)]
enum Due {
    Now,
    In(Duration),
}

fn due(first: Instant, last: Instant, rules: &Rules, now: Instant) -> Due {
    let left =
        |since: Instant, time: Duration| time.saturating_sub(now.saturating_duration_since(since));
    let left = left(last, rules.inactive).min(left(first, rules.buffer));
    if left.is_zero() {
        Due::Now
    } else {
        Due::In(left)
    }
}

impl<E: Send + Sync + 'static> Batches<E> {
    /// The processor of this configuration of a plugin, made when there is none. Metrics show it by
    /// `name`.
    pub(crate) fn shared(
        plugin: &'static str,
        name: &str,
        rules: Rules,
        context: &CompileContext<'_>,
        sender: impl Sender<E>,
    ) -> Arc<Self> {
        let key = format!("{}\0{}", context.state_key(plugin), rules.limit);
        let owner = context.owner.map(|owner| owner.id.to_string());
        let known = Known::of(&context.living);
        let batches = context.living.get_or_init(&key, || Self {
            count: Arc::new(Count::new(plugin, name, owner.unwrap_or_default())),
            rules,
            outside: Arc::clone(&context.outside),
            sender: Box::new(sender),
            waiting: Mutex::default(),
            warned: Mutex::default(),
            _known: Arc::clone(&known),
        });
        if context.owner.is_some() {
            known.add(&batches.count);
        }
        batches
    }

    /// Notes which address of ours a client came to: metrics tell the first.
    pub(crate) fn reached_at(&self, address: IpAddr) {
        self.count.server_addr.get_or_init(|| address);
    }

    /// Takes an entry, or drops it when there are too many.
    pub(crate) fn push(self: &Arc<Self>, entry: E) {
        self.push_sized(entry, 0);
    }

    /// The same with an entry of this many bytes.
    pub(crate) fn push_sized(self: &Arc<Self>, entry: E, bytes: usize) {
        let now = Instant::now();
        let rules = &self.rules;
        let limit = rules
            .limit
            .saturating_mul(if rules.hurries { 2 } else { 1 });
        if !self.count.enter(bytes, limit, rules.sizes.drop) {
            self.count.dropped.fetch_add(1, Ordering::Relaxed);
            self.warn(now);
            return;
        }
        let is_full = rules.hurries && self.count.pending.load(Ordering::Relaxed) > rules.limit;
        let mut waiting = self.waiting();
        waiting.entries.push(entry);
        waiting.bytes = waiting.bytes.saturating_add(bytes);
        let first = waiting.times.map_or(now, |(first, _)| first);
        waiting.times = Some((first, now));
        if is_full
            || waiting.entries.len() >= rules.batch_max_size
            || waiting.bytes >= rules.sizes.flush
        {
            let batch = waiting.take();
            drop(waiting);
            self.dispatch(batch);
        } else if !std::mem::replace(&mut waiting.is_watched, true) {
            drop(waiting);
            self.outside.spawn(Box::pin(watch(Arc::clone(self))));
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting<E>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Once a second at most.
    fn warn(&self, now: Instant) {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        let recently = warned.is_some_and(|at| now.saturating_duration_since(at).as_secs() < 1);
        if !recently {
            *warned = Some(now);
            tracing::warn!(
                plugin = self.count.plugin,
                name = self.count.name,
                route = self.count.route_id,
                dropped = self.count.dropped.load(Ordering::Relaxed),
                pending = self.count.pending.load(Ordering::Relaxed),
                pending_bytes = self.count.bytes.load(Ordering::Relaxed),
                "log entries are dropped: {} may wait (max_pending_entries)",
                self.rules.limit
            );
        }
    }

    fn dispatch(self: &Arc<Self>, batch: Batch<E>) {
        self.outside
            .spawn(Box::pin(deliver(Arc::clone(self), batch)));
    }
}

/// Looks after entries that wait until none does.
async fn watch<E: Send + Sync + 'static>(batches: Arc<Batches<E>>) {
    loop {
        let left = {
            let mut waiting = batches.waiting();
            let Some((first, last)) = waiting.times else {
                waiting.is_watched = false;
                return;
            };
            match due(first, last, &batches.rules, Instant::now()) {
                Due::In(left) => left,
                Due::Now => {
                    let batch = waiting.take();
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
async fn deliver<E: Send + Sync + 'static>(batches: Arc<Batches<E>>, batch: Batch<E>) {
    let count = &*batches.count;
    let mut left = batch.entries.as_slice();
    let mut tries = 0;
    while let Err(failure) = batches.sender.send(&batches.outside, left).await {
        left = left.get(failure.arrived..).unwrap_or_default();
        if left.is_empty() {
            break;
        }
        let again = tries < batches.rules.retries;
        tracing::warn!(
            plugin = count.plugin,
            name = count.name,
            route = count.route_id,
            entries = left.len(),
            "log entries could not be sent{}: {}",
            if again {
                ", trying again"
            } else {
                " and are dropped"
            },
            failure.reason,
        );
        if !again {
            let lost = left.len() as u64;
            count.dropped.fetch_add(lost, Ordering::Relaxed);
            break;
        }
        tries += 1;
        batches.outside.sleep(batches.rules.pause).await;
    }
    count.leave(batch.entries.len(), batch.bytes);
}
