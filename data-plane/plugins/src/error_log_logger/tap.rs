//! Takes the lines of this process's log on their way.

use std::fmt::{Debug, Write};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{SystemTime, UNIX_EPOCH};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::NAME;
use crate::logging::{Batches, rfc3339};

/// Who ships lines: one for each agent of this process that has metadata.
static TAKERS: Mutex<Vec<Weak<Taker>>> = Mutex::new(Vec::new());
/// The least severe line that any of them takes; 0 when there is none.
static MOST: AtomicU8 = AtomicU8::new(0);

/// A layer of the log: what passes its filter may be shipped as well.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tap;

/// Takes lines.
pub(super) struct Taker {
    /// The least severe line that is taken.
    pub(super) level: u8,
    pub(super) batches: Arc<Batches<String>>,
}

impl Taker {
    /// Takes lines from now on, until it is dropped.
    pub(super) fn begin(self) -> Arc<Self> {
        let taker = Arc::new(self);
        let mut takers = takers();
        takers.retain(|other| other.strong_count() > 0);
        takers.push(Arc::downgrade(&taker));
        let levels = takers.iter().filter_map(Weak::upgrade);
        let most = levels.map(|taker| taker.level).max();
        MOST.store(most.unwrap_or_default(), Ordering::Relaxed);
        taker
    }
}

fn takers() -> MutexGuard<'static, Vec<Weak<Taker>>> {
    TAKERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// 1 is the most severe.
fn rank(level: Level) -> u8 {
    match level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}

impl<S: Subscriber> Layer<S> for Tap {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let metadata = event.metadata();
        let rank = rank(*metadata.level());
        // Lines of libraries would tell of the very connections that lines go over.
        if rank > MOST.load(Ordering::Relaxed) || !metadata.target().starts_with("weir") {
            return;
        }
        let mut line = Line::default();
        event.record(&mut line);
        if line.is_own {
            return;
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = u64::try_from(now.unwrap_or_default().as_millis()).unwrap_or_default();
        let (level, target) = (metadata.level(), metadata.target());
        let text = format!(
            "{} [{level}] {target}: {}{}",
            rfc3339(now),
            line.message,
            line.fields
        );
        // Not under the lock: whoever has no room tells so in the log.
        let taking: Vec<_> = takers().iter().filter_map(Weak::upgrade).collect();
        for taker in taking.iter().filter(|taker| rank <= taker.level) {
            taker.batches.push(text.clone());
        }
    }
}

#[derive(Default)]
struct Line {
    message: String,
    fields: String,
    /// Whether it tells of this plugin: shipping that would never end.
    is_own: bool,
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.is_own |= field.name() == "plugin" && value == NAME;
        self.record_debug(field, &value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Writing to a string cannot fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}
