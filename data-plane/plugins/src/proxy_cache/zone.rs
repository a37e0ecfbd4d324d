//! A zone: entries by key, the least used of which make room for new ones.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashlink::LinkedHashMap;
use http::{HeaderMap, HeaderName};
use weir_plugin_api::outside::CacheZone;
use weir_plugin_api::{Living, Outside};

use super::entry::{Entry, selects};
use super::flights::Flights;
use super::store::Store;

/// Entries of one key, told apart by `Vary`; the oldest makes room.
const VARIANTS: usize = 32;

/// Shared by all workers and all routes that name it.
pub(super) struct Zone {
    memory: u64,
    disk: u64,
    index: Mutex<Index>,
    /// Bytes of bodies that are being collected.
    filling: AtomicU64,
    pub(super) flights: Arc<Flights>,
    /// Where bodies lie, unless in memory.
    pub(super) store: Option<Store>,
}

#[derive(Default)]
struct Index {
    /// The least used first.
    groups: LinkedHashMap<Box<str>, Group>,
    memory: u64,
    disk: u64,
}

/// All entries of a key.
struct Group {
    vary: Vec<HeaderName>,
    /// The oldest first.
    entries: Vec<Arc<Entry>>,
}

impl Zone {
    /// The zone of these settings, which outlives configurations.
    pub(super) fn shared(
        living: &Living,
        settings: &CacheZone,
        outside: &Arc<dyn Outside>,
    ) -> Arc<Self> {
        let key = format!("proxy-cache\u{0}{settings:?}");
        living.get_or_init(&key, || Self::new(settings, outside))
    }

    fn new(settings: &CacheZone, outside: &Arc<dyn Outside>) -> Self {
        let run = uuid::Uuid::new_v4().simple().to_string();
        let store = settings.disk.as_ref();
        Self {
            memory: settings.memory,
            disk: settings.disk.as_ref().map_or(0, |disk| disk.size),
            index: Mutex::default(),
            filling: AtomicU64::new(0),
            flights: Arc::default(),
            store: store.map(|disk| Store::new(disk, &run, Arc::clone(outside))),
        }
    }

    /// The entry for a request with this head, if there is one.
    pub(super) fn find(&self, key: &str, request: &HeaderMap) -> Option<Arc<Entry>> {
        let mut index = self.index();
        let group = index.groups.to_back(key)?;
        let wanted = selects(&group.vary, request);
        let mut entries = group.entries.iter();
        entries.find(|entry| entry.selects == wanted).cloned()
    }

    /// Keeps an entry; one that alone is too large is dropped.
    pub(super) fn insert(&self, key: &str, vary: Vec<HeaderName>, entry: Entry) {
        let memory = entry.memory() + key.len() as u64;
        if memory > self.memory || entry.disk() > self.disk {
            return;
        }
        // What goes may be files; they go after the lock.
        let mut gone = Vec::new();
        let mut index = self.index();
        let mut group = match index.take(key) {
            Some(group) if group.vary == vary => group,
            other => {
                gone.extend(other);
                Group {
                    vary,
                    entries: Vec::new(),
                }
            }
        };
        let same = group
            .entries
            .iter()
            .position(|known| known.selects == entry.selects);
        let replaced = match same {
            Some(at) => Some(group.entries.remove(at)),
            None if group.entries.len() >= VARIANTS => Some(group.entries.remove(0)),
            None => None,
        };
        group.entries.push(Arc::new(entry));
        index.put(key, group);
        while index.memory > self.memory || index.disk > self.disk {
            let Some(oldest) = index.groups.keys().next().cloned() else {
                break;
            };
            gone.extend(index.take(&oldest));
        }
        drop(index);
        drop((gone, replaced));
    }

    /// Removes everything of a key; whether there was something.
    pub(super) fn purge(&self, key: &str) -> bool {
        let gone = self.index().take(key);
        gone.is_some()
    }

    /// Removes one entry, whose body is lost.
    pub(super) fn discard(&self, key: &str, entry: &Arc<Entry>) {
        let mut index = self.index();
        let Some(mut group) = index.take(key) else {
            return;
        };
        group.entries.retain(|known| !Arc::ptr_eq(known, entry));
        if !group.entries.is_empty() {
            index.put(key, group);
        }
    }

    /// Begins to collect a body.
    pub(super) fn fill(self: &Arc<Self>) -> Filling {
        Filling {
            zone: Arc::clone(self),
            bytes: 0,
        }
    }

    /// Largest body that there is room for.
    pub(super) fn largest(&self) -> u64 {
        if self.store.is_some() {
            self.disk
        } else {
            self.memory
        }
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Index {
    fn take(&mut self, key: &str) -> Option<Group> {
        let group = self.groups.remove(key)?;
        self.memory -= group.memory(key);
        self.disk -= group.disk();
        Some(group)
    }

    fn put(&mut self, key: &str, group: Group) {
        self.memory += group.memory(key);
        self.disk += group.disk();
        self.groups.insert(key.into(), group);
    }
}

impl Group {
    fn memory(&self, key: &str) -> u64 {
        let entries: u64 = self.entries.iter().map(|entry| entry.memory()).sum();
        entries + key.len() as u64
    }

    fn disk(&self) -> u64 {
        self.entries.iter().map(|entry| entry.disk()).sum()
    }
}

/// A share of the memory for bodies that are being collected, which is as large as the memory of the
/// zone. Dropping it gives it back.
pub(super) struct Filling {
    zone: Arc<Zone>,
    bytes: u64,
}

impl Filling {
    /// Takes more; `false` when there is no more.
    pub(super) fn grow(&mut self, by: u64) -> bool {
        self.bytes += by;
        let before = self.zone.filling.fetch_add(by, Ordering::Relaxed);
        before + by <= self.zone.memory
    }
}

impl Drop for Filling {
    fn drop(&mut self) {
        self.zone.filling.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use http::StatusCode;
    use http::header::ACCEPT;
    use weir_plugin_api::outside::Unreachable;

    use super::*;
    use crate::proxy_cache::entry::Body;
    use crate::proxy_cache::freshness::Life;

    fn zone(memory: u64) -> Arc<Zone> {
        let settings = CacheZone {
            name: "z".into(),
            memory,
            disk: None,
        };
        let outside: Arc<dyn Outside> = Arc::new(Unreachable);
        Arc::new(Zone::new(&settings, &outside))
    }

    fn entry(size: usize, selects: &[&str]) -> Entry {
        Entry {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: Body::Memory(Bytes::from(vec![b'x'; size])),
            stored_at: Duration::ZERO,
            life: Life {
                age: Duration::ZERO,
                fresh: Duration::from_secs(1),
                while_revalidating: Duration::ZERO,
                if_error: Duration::ZERO,
                stale_allowed: false,
            },
            selects: selects
                .iter()
                .map(|text| Some((*text).to_owned()))
                .collect(),
        }
    }

    fn asking(accept: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, accept.parse().unwrap());
        headers
    }

    fn keys(zone: &Zone) -> Vec<String> {
        zone.index()
            .groups
            .keys()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn the_least_used_makes_room() {
        let zone = zone(5_000);
        for key in ["a", "b", "c"] {
            zone.insert(key, Vec::new(), entry(1_000, &[]));
        }
        assert!(zone.find("a", &HeaderMap::new()).is_some());
        zone.insert("d", Vec::new(), entry(1_000, &[]));
        assert_eq!(keys(&zone), ["c", "a", "d"]);
        // Too large alone: nobody makes room for it.
        zone.insert("e", Vec::new(), entry(5_000, &[]));
        assert_eq!(keys(&zone).len(), 3);
        zone.insert("a", Vec::new(), entry(1, &[]));
        assert!(zone.purge("a") && zone.purge("c") && zone.purge("d"));
        assert!(!zone.purge("a"));
        let index = zone.index();
        assert_eq!((index.memory, index.disk), (0, 0));
    }

    #[test]
    fn variants_are_told_apart_and_bounded() {
        let zone = zone(1 << 20);
        for value in ["x", "y"] {
            zone.insert("a", vec![ACCEPT], entry(1, &[value]));
        }
        assert!(zone.find("a", &asking("x")).is_some());
        assert!(zone.find("a", &asking("y")).is_some());
        assert!(zone.find("a", &asking("z")).is_none());
        assert!(zone.find("a", &HeaderMap::new()).is_none());
        for number in 0..VARIANTS {
            zone.insert("a", vec![ACCEPT], entry(1, &[&number.to_string()]));
        }
        assert!(zone.find("a", &asking("x")).is_none());
        assert!(zone.find("a", &asking("5")).is_some());
        // An answer that depends on something else stands for all.
        zone.insert("a", Vec::new(), entry(1, &[]));
        assert!(zone.find("a", &asking("x")).is_some());
        assert_eq!(zone.index().groups.get("a").unwrap().entries.len(), 1);
    }

    #[test]
    fn one_entry_is_discarded() {
        let zone = zone(1 << 20);
        zone.insert("a", vec![ACCEPT], entry(1, &["x"]));
        zone.insert("a", vec![ACCEPT], entry(1, &["y"]));
        let found = zone.find("a", &asking("x")).unwrap();
        zone.discard("a", &found);
        assert!(zone.find("a", &asking("x")).is_none());
        let found = zone.find("a", &asking("y")).unwrap();
        zone.discard("a", &found);
        assert!(keys(&zone).is_empty());
        zone.discard("a", &found);
        assert_eq!(zone.index().memory, 0);
    }

    #[test]
    fn bodies_that_are_collected_are_bounded() {
        let zone = zone(100);
        let (mut one, mut two) = (zone.fill(), zone.fill());
        assert!(one.grow(60) && two.grow(40));
        assert!(!two.grow(1));
        drop(two);
        assert!(one.grow(40));
        drop(one);
        assert_eq!(zone.filling.load(Ordering::Relaxed), 0);
    }
}
