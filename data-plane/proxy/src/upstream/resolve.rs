//! Names of nodes to addresses, off the workers.
//!
//! Each worker has a [`Names`] with the answers it has seen, so that a known name costs no lock.
//! Unknown and aged names are asked for on the background runtime. An answer that fails keeps the
//! last good one.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::watch;

/// After this time a name is asked for again, in the background.
pub const REFRESH: Duration = Duration::from_secs(30);
/// How long a failed name without a good answer is not asked for again.
const RETRY: Duration = Duration::from_secs(1);
/// Names nobody asked for in this time are forgotten.
const FORGET: Duration = Duration::from_secs(600);
/// How long one question may take.
const QUESTION: Duration = Duration::from_secs(10);

/// Addresses of a name; empty when it does not resolve.
pub type Addresses = Arc<[IpAddr]>;

/// The shared cache. Cheap to clone.
#[derive(Clone)]
pub struct Resolver {
    shared: Arc<Shared>,
}

struct Shared {
    background: Handle,
    /// Grows with every change, so that workers know when their copies are old.
    generation: AtomicU64,
    names: Mutex<HashMap<Arc<str>, Name>>,
}

struct Name {
    answer: watch::Sender<Option<Addresses>>,
    asked: Instant,
    used: Instant,
    running: bool,
}

impl Name {
    /// Marks the name as used; says whether it is time to ask again.
    fn refresh(&mut self, now: Instant) -> bool {
        self.used = now;
        let good = self
            .answer
            .borrow()
            .as_ref()
            .is_some_and(|known| !known.is_empty());
        let life = if good { REFRESH } else { RETRY };
        if self.running || now.duration_since(self.asked) < life {
            return false;
        }
        self.running = true;
        self.asked = now;
        if !good {
            // Whoever comes now waits for the new answer instead of taking the failure.
            self.answer.send_replace(None);
        }
        true
    }
}

impl Resolver {
    /// A resolver that asks on `background`.
    #[must_use]
    pub fn new(background: Handle) -> Self {
        Self {
            shared: Arc::new(Shared {
                background,
                generation: AtomicU64::new(1),
                names: Mutex::default(),
            }),
        }
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

    /// Addresses of `name` for the background; empty when it does not resolve.
    pub async fn addresses(&self, name: &str) -> Addresses {
        let mut receiver = self.subscribe(name, Instant::now());
        let answer = receiver.wait_for(Option::is_some).await;
        answer
            .ok()
            .and_then(|answer| answer.clone())
            .unwrap_or_default()
    }

    /// A receiver of the answer for `name`; asks if nobody did, or long ago.
    fn subscribe(&self, name: &str, now: Instant) -> watch::Receiver<Option<Addresses>> {
        let mut names = self
            .shared
            .names
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = names.get_mut(name) {
            if entry.refresh(now) {
                self.ask(Arc::from(name));
            }
            return entry.answer.subscribe();
        }
        names.retain(|_, entry| entry.running || now.duration_since(entry.used) < FORGET);
        let entry = Name {
            answer: watch::Sender::new(None),
            asked: now,
            used: now,
            running: true,
        };
        let receiver = entry.answer.subscribe();
        let name: Arc<str> = Arc::from(name);
        names.insert(Arc::clone(&name), entry);
        self.ask(name);
        receiver
    }

    fn ask(&self, name: Arc<str>) {
        let shared = Arc::clone(&self.shared);
        self.shared.background.spawn(async move {
            let question = tokio::net::lookup_host((&*name, 0));
            let found: Vec<IpAddr> = match tokio::time::timeout(QUESTION, question).await {
                Ok(Ok(found)) => found.map(|address| address.ip()).collect(),
                Ok(Err(error)) => {
                    tracing::warn!(%name, %error, "name of a node does not resolve");
                    Vec::new()
                }
                Err(_) => {
                    tracing::warn!(%name, "name of a node did not resolve in time");
                    Vec::new()
                }
            };
            shared.store(&name, found);
        });
    }
}

impl Shared {
    fn store(&self, name: &str, mut found: Vec<IpAddr>) {
        found.sort_unstable();
        found.dedup();
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = names.get_mut(name) else {
            return;
        };
        entry.running = false;
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
        }
    }
}

/// The answers that one worker has seen.
pub struct Names {
    resolver: Resolver,
    generation: Cell<u64>,
    checked: Cell<Instant>,
    known: RefCell<HashMap<Box<str>, Addresses>>,
}

impl Names {
    /// Addresses of `host`, which may be an address itself (with brackets when IPv6). Waits only
    /// for a name that has no answer yet; empty when it does not resolve.
    pub async fn resolve(&self, host: &str) -> Addresses {
        let bare = host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        if let Ok(address) = bare.unwrap_or(host).parse::<IpAddr>() {
            return Addresses::from([address]);
        }
        if let Some(known) = self.known(host) {
            return known;
        }
        let mut receiver = self.resolver.subscribe(host, Instant::now());
        let answer = match receiver.wait_for(Option::is_some).await {
            Ok(answer) => answer.clone().unwrap_or_default(),
            Err(_) => Addresses::default(),
        };
        if !answer.is_empty() {
            self.known
                .borrow_mut()
                .insert(Box::from(host), Arc::clone(&answer));
        }
        answer
    }

    /// What is known, unless something has changed since, or so long ago that the name must be
    /// marked as used and asked for again.
    fn known(&self, host: &str) -> Option<Addresses> {
        let generation = self.resolver.shared.generation.load(Ordering::Acquire);
        let now = Instant::now();
        if generation != self.generation.get() || now.duration_since(self.checked.get()) > REFRESH {
            self.generation.set(generation);
            self.checked.set(now);
            self.known.borrow_mut().clear();
        }
        self.known.borrow().get(host).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn addresses_need_no_question() {
        let names = Resolver::new(Handle::current()).names();
        let expected: Vec<IpAddr> = vec!["127.0.0.1".parse().unwrap()];
        assert_eq!(&*names.resolve("127.0.0.1").await, expected.as_slice());
        let expected: Vec<IpAddr> = vec!["::1".parse().unwrap()];
        assert_eq!(&*names.resolve("[::1]").await, expected.as_slice());
    }

    #[tokio::test]
    async fn localhost_resolves_and_is_remembered() {
        let names = Resolver::new(Handle::current()).names();
        assert!(
            names
                .resolve("localhost")
                .await
                .iter()
                .all(IpAddr::is_loopback)
        );
        // The first answer was a change, and the worker forgets what it knew on any change.
        names.resolve("localhost").await;
        assert!(names.known("localhost").is_some());
    }

    #[tokio::test]
    async fn failure_keeps_the_last_good_answer() {
        let resolver = Resolver::new(Handle::current());
        let names = resolver.names();
        let first = names.resolve("localhost").await;
        assert!(!first.is_empty());
        resolver.shared.store("localhost", Vec::new());
        assert_eq!(names.resolve("localhost").await, first);
    }

    #[tokio::test]
    async fn changed_answer_reaches_the_worker() {
        let resolver = Resolver::new(Handle::current());
        let names = resolver.names();
        names.resolve("localhost").await;
        let other: IpAddr = "127.9.9.9".parse().unwrap();
        resolver.shared.store("localhost", vec![other]);
        assert_eq!(&*names.resolve("localhost").await, &[other]);
    }
}
