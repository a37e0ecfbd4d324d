//! The endpoint table of this node: what agents are offered, and what operators are told about it.
//! Watchers write it; sessions, gRPC, metrics and the file read it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use imbl::OrdMap;
use prost::Message;
use tokio::sync::{Notify, watch};
use weir_model::Revision;
use weir_model::endpoint::{EndpointHash, EndpointKey, EndpointSet, Endpoints};
use weir_proto::convert::endpoint::to_wire;
use weir_proto::sync::StreamResponse;

use super::demand::Wanted;
use super::record::{Failing, Failure, HeldBack, Record};

/// A set, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offer {
    /// Its content.
    pub(crate) hash: EndpointHash,
    /// A `StreamResponse` with nothing else in it: several in a row are one with all of them.
    pub(crate) encoded: Bytes,
}

impl Offer {
    fn new(key: &EndpointKey, set: &EndpointSet) -> Self {
        let message = StreamResponse {
            endpoint_sets: vec![to_wire(key, set)],
            ..StreamResponse::default()
        };
        Self {
            hash: set.hash(),
            encoded: Bytes::from(message.encode_to_vec()),
        }
    }
}

/// Everything that agents may be sent. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Offers {
    /// By lookup; `None` is asked for, but no registry has answered yet.
    pub(crate) sets: OrdMap<EndpointKey, Option<Arc<Offer>>>,
    /// The cluster and revision whose resources ask for exactly these.
    pub(crate) demand: (String, Revision),
}

/// What a watcher has learnt.
#[derive(Debug, Default)]
pub(super) struct Learnt {
    /// From the registry, unless it is the clock that changed something.
    pub(super) answer: Option<(String, Option<String>)>,
    /// What traffic should use now.
    pub(super) set: Option<Arc<EndpointSet>>,
    pub(super) held: Option<HeldBack>,
}

/// The table. One per node, behind an `Arc`.
pub(crate) struct Table {
    records: Mutex<BTreeMap<EndpointKey, Record>>,
    offers: watch::Sender<Offers>,
    /// Something that the file keeps has changed.
    pub(super) dirty: Notify,
}

impl Table {
    /// An empty table.
    pub(crate) fn new() -> Self {
        Self {
            records: Mutex::default(),
            offers: watch::Sender::new(Offers::default()),
            dirty: Notify::new(),
        }
    }

    /// Follows what is offered.
    pub(crate) fn offers(&self) -> watch::Receiver<Offers> {
        self.offers.subscribe()
    }

    /// The records, in order of their keys.
    pub(crate) fn records(&self) -> Vec<(EndpointKey, Record)> {
        let records = self.lock();
        records
            .iter()
            .map(|(key, record)| (key.clone(), record.clone()))
            .collect()
    }

    /// The sets in use, as agents have them.
    pub(crate) fn endpoints(&self) -> Endpoints {
        let records = self.lock();
        let sets = records.iter();
        sets.filter_map(|(key, record)| Some((key.clone(), Arc::clone(record.set.as_ref()?))))
            .collect()
    }

    /// Makes the table hold exactly what is wanted; `known` is what the disk has of a new one.
    pub(super) fn demand(
        &self,
        wanted: &BTreeMap<EndpointKey, Wanted>,
        at: (String, Revision),
        mut known: impl FnMut(&EndpointKey) -> Option<(Arc<EndpointSet>, u64)>,
    ) {
        let mut records = self.lock();
        let gone: Vec<_> = records
            .keys()
            .filter(|key| !wanted.contains_key(*key))
            .cloned()
            .collect();
        for key in &gone {
            records.remove(key);
        }
        if !gone.is_empty() {
            self.dirty.notify_one();
        }
        let mut added = Vec::new();
        for (key, wanted) in wanted {
            match records.get_mut(key) {
                Some(record) => record.users.clone_from(&wanted.users),
                None => {
                    let mut record = Record::new(wanted.lookup.clone(), wanted.users.clone());
                    if let Some((set, checked_ms)) = known(key) {
                        record.set = Some(set);
                        record.checked_ms = checked_ms;
                        record.changed_ms = checked_ms;
                    }
                    let offer = record
                        .set
                        .as_ref()
                        .map(|set| Arc::new(Offer::new(key, set)));
                    added.push((key.clone(), offer));
                    records.insert(key.clone(), record);
                }
            }
        }
        self.offers.send_modify(|offers| {
            for key in gone {
                offers.sets.remove(&key);
            }
            offers.sets.extend(added);
            offers.demand = at;
        });
    }

    /// The set that is in use.
    pub(super) fn set(&self, key: &EndpointKey) -> Option<Arc<EndpointSet>> {
        self.lock().get(key)?.set.clone()
    }

    /// A watcher begins to follow `registry`.
    pub(super) fn begins(&self, key: &EndpointKey, registry: &str) {
        if let Some(record) = self.lock().get_mut(key) {
            registry.clone_into(&mut record.registry);
        }
    }

    /// Takes what a watcher has learnt; says whether agents are offered something new.
    pub(super) fn learn(&self, key: &EndpointKey, learnt: Learnt, now_ms: u64) -> bool {
        let offer = {
            let mut records = self.lock();
            let Some(record) = records.get_mut(key) else {
                return false;
            };
            if let Some((index, note)) = learnt.answer {
                record.index = index;
                record.note = note;
                record.checked_ms = now_ms;
                record.failing = None;
            }
            record.held = learnt.held;
            let Some(set) = learnt.set else {
                return false;
            };
            if record
                .set
                .as_ref()
                .is_some_and(|known| known.hash() == set.hash())
            {
                return false;
            }
            record.changed_ms = now_ms;
            record.set = Some(Arc::clone(&set));
            Arc::new(Offer::new(key, &set))
        };
        self.offers.send_modify(|offers| {
            if let Some(place) = offers.sets.get_mut(key) {
                *place = Some(offer);
            }
        });
        self.dirty.notify_one();
        true
    }

    /// A watcher could not read its registry; says whether that is news.
    pub(super) fn fail(&self, key: &EndpointKey, failure: Failure, now_ms: u64) -> bool {
        let mut records = self.lock();
        let Some(record) = records.get_mut(key) else {
            return false;
        };
        let before = record.failing.take();
        let news = before
            .as_ref()
            .is_none_or(|before| before.failure != failure);
        record.failing = Some(Failing {
            failure,
            since_ms: before.as_ref().map_or(now_ms, |before| before.since_ms),
            attempts: before.map_or(0, |before| before.attempts) + 1,
        });
        news
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<EndpointKey, Record>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
