//! Names of nodes to addresses, off the workers.
//!
//! Each worker has a [`Names`] with the answers it has seen, so that a known name costs no lock.
//! Unknown names are asked for on the background runtime, and names in use again when their answers
//! are over. An answer that fails keeps the last good one. [`follow`] makes nodes of the addresses.

mod ask;
pub mod follow;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::watch;

pub use ask::Source;
use ask::{Outcome, Resolvers};

/// How often names whose answers are over are looked for.
const LOOK: Duration = Duration::from_millis(250);
/// After this time a worker marks the names it uses anew.
const MARK: Duration = Duration::from_secs(30);
/// Names nobody asked for in this time are forgotten.
const FORGET: Duration = Duration::from_secs(600);

/// Addresses of a name; empty when it does not resolve.
pub type Addresses = Arc<[IpAddr]>;

/// The shared cache. Cheap to clone.
#[derive(Clone)]
pub struct Resolver {
    shared: Arc<Shared>,
}

/// A name, and where it is asked for.
type Question = (Arc<Source>, Arc<str>);

struct Shared {
    background: Handle,
    resolvers: Resolvers,
    /// Grows with every change, so that workers know when their copies are old.
    generation: AtomicU64,
    /// For those who wait for changes.
    changes: watch::Sender<()>,
    names: Mutex<HashMap<Question, Name>>,
}

struct Name {
    answer: watch::Sender<Option<Addresses>>,
    /// When it is asked for again.
    due: Instant,
    used: Instant,
    running: bool,
}

impl Resolver {
    /// A resolver that asks on `background`.
    #[must_use]
    pub fn new(background: Handle) -> Self {
        let shared = Arc::new(Shared {
            background,
            resolvers: Resolvers::default(),
            generation: AtomicU64::new(1),
            changes: watch::Sender::default(),
            names: Mutex::default(),
        });
        let background = shared.background.clone();
        background.spawn(keep_fresh(Arc::downgrade(&shared)));
        Self { shared }
    }

    /// The answers as one worker sees them.
    #[must_use]
    pub fn names(&self) -> Names {
        Names {
            resolver: self.clone(),
            generation: Cell::new(0),
            checked: Cell::new(Instant::now()),
            known: RefCell::default(),
        }
    }

    /// Tells when the answer for some name is another one.
    fn changes(&self) -> watch::Receiver<()> {
        self.shared.changes.subscribe()
    }

    /// A receiver of the answer for `name`; asks if nobody did.
    fn subscribe(
        &self,
        name: &str,
        source: &Arc<Source>,
        now: Instant,
    ) -> watch::Receiver<Option<Addresses>> {
        let shared = &self.shared;
        let question = (Arc::clone(source), Arc::from(name));
        let mut names = shared.lock();
        let entry = names.entry(question.clone()).or_insert_with(|| Name {
            answer: watch::Sender::new(None),
            due: now,
            used: now,
            running: false,
        });
        entry.used = now;
        let receiver = entry.answer.subscribe();
        if entry.is_due(now) {
            entry.begin();
            shared.ask(question);
        }
        receiver
    }
}

impl Name {
    fn is_due(&self, now: Instant) -> bool {
        !self.running && now >= self.due
    }

    fn is_good(&self) -> bool {
        let answer = self.answer.borrow();
        answer.as_ref().is_some_and(|known| !known.is_empty())
    }

    fn begin(&mut self) {
        self.running = true;
        if !self.is_good() {
            // Whoever comes now waits for the new answer instead of taking the failure.
            self.answer.send_replace(None);
        }
    }
}

/// Asks again for names in use when their answers are over, as long as there is a resolver.
async fn keep_fresh(shared: Weak<Shared>) {
    let mut interval = tokio::time::interval(LOOK);
    loop {
        interval.tick().await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        let now = Instant::now();
        let mut due = Vec::new();
        shared.lock().retain(|question, name| {
            let used = now.duration_since(name.used) < FORGET;
            // A name without a good answer is asked for only by who wants it.
            if used && name.is_good() && name.is_due(now) {
                name.begin();
                due.push(question.clone());
            }
            used || name.running
        });
        for question in due {
            shared.ask(question);
        }
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Question, Name>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(self: &Arc<Self>, question: Question) {
        let shared = Arc::clone(self);
        self.background.spawn(async move {
            let (source, name) = &question;
            let outcome = shared.resolvers.ask(name, source).await;
            shared.store(&question, outcome);
        });
    }

    fn store(&self, question: &Question, outcome: Outcome) {
        let Outcome { found, life } = outcome;
        let mut found = ask::one_family(found, ask::has_route);
        found.sort_unstable();
        found.dedup();
        let mut names = self.lock();
        let Some(entry) = names.get_mut(question) else {
            return;
        };
        entry.running = false;
        entry.due = Instant::now() + life;
        let changed = entry.answer.send_if_modified(|answer| {
            let keep = found.is_empty() && answer.is_some();
            if keep || answer.as_deref() == Some(found.as_slice()) {
                return false;
            }
            *answer = Some(Addresses::from(found.as_slice()));
            true
        });
        if changed {
            self.generation.fetch_add(1, Ordering::Release);
            self.changes.send_replace(());
        }
    }
}

/// Answers of one source, by name.
type Known = HashMap<Box<str>, Addresses>;

/// The answers that one worker has seen.
pub struct Names {
    resolver: Resolver,
    generation: Cell<u64>,
    checked: Cell<Instant>,
    known: RefCell<HashMap<Arc<Source>, Known>>,
}

impl Names {
    /// Addresses of `host`, which may be an address itself (with brackets when IPv6). Waits only
    /// for a name that has no answer yet; empty when it does not resolve.
    pub async fn resolve(&self, host: &str, source: &Arc<Source>) -> Addresses {
        let bare = host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        if let Ok(address) = bare.unwrap_or(host).parse::<IpAddr>() {
            return Addresses::from([address]);
        }
        if let Some(known) = self.known(host, source) {
            return known;
        }
        let mut receiver = self.resolver.subscribe(host, source, Instant::now());
        let answer = match receiver.wait_for(Option::is_some).await {
            Ok(answer) => answer.clone().unwrap_or_default(),
            Err(_) => Addresses::default(),
        };
        if !answer.is_empty() {
            self.known
                .borrow_mut()
                .entry(Arc::clone(source))
                .or_default()
                .insert(Box::from(host), Arc::clone(&answer));
        }
        answer
    }

    /// What is known, unless something has changed since, or so long ago that the name must be
    /// marked as used again.
    fn known(&self, host: &str, source: &Arc<Source>) -> Option<Addresses> {
        let generation = self.resolver.shared.generation.load(Ordering::Acquire);
        let now = Instant::now();
        if generation != self.generation.get() || now.duration_since(self.checked.get()) > MARK {
            self.generation.set(generation);
            self.checked.set(now);
            self.known.borrow_mut().clear();
        }
        self.known.borrow().get(source)?.get(host).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn system() -> Arc<Source> {
        Arc::default()
    }

    fn store(resolver: &Resolver, found: Vec<IpAddr>) {
        let life = Duration::from_secs(60);
        let question = (system(), Arc::from("localhost"));
        resolver.shared.store(&question, Outcome { found, life });
    }

    #[tokio::test]
    async fn addresses_need_no_question() {
        let names = Resolver::new(Handle::current()).names();
        let expected: Vec<IpAddr> = vec!["127.0.0.1".parse().unwrap()];
        assert_eq!(
            &*names.resolve("127.0.0.1", &system()).await,
            expected.as_slice()
        );
        let expected: Vec<IpAddr> = vec!["::1".parse().unwrap()];
        assert_eq!(
            &*names.resolve("[::1]", &system()).await,
            expected.as_slice()
        );
    }

    #[tokio::test]
    async fn localhost_resolves_and_is_remembered() {
        let names = Resolver::new(Handle::current()).names();
        assert!(
            names
                .resolve("localhost", &system())
                .await
                .iter()
                .all(IpAddr::is_loopback)
        );
        // The first answer was a change, and the worker forgets what it knew on any change.
        names.resolve("localhost", &system()).await;
        assert!(names.known("localhost", &system()).is_some());
    }

    #[tokio::test]
    async fn failure_keeps_the_last_good_answer() {
        let resolver = Resolver::new(Handle::current());
        let names = resolver.names();
        let first = names.resolve("localhost", &system()).await;
        assert!(!first.is_empty());
        store(&resolver, Vec::new());
        assert_eq!(names.resolve("localhost", &system()).await, first);
    }

    #[tokio::test]
    async fn changed_answer_reaches_the_worker() {
        let resolver = Resolver::new(Handle::current());
        let names = resolver.names();
        names.resolve("localhost", &system()).await;
        let other: IpAddr = "127.9.9.9".parse().unwrap();
        store(&resolver, vec![other]);
        assert_eq!(&*names.resolve("localhost", &system()).await, &[other]);
    }
}
