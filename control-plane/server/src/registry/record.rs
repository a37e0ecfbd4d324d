//! What is known of one lookup at this node, for operators.

use std::collections::BTreeSet;
use std::sync::Arc;

use weir_model::Key;
use weir_model::endpoint::{EndpointKey, EndpointSet, Lookup};
use weir_proto::convert::endpoint::to_wire;
use weir_proto::discovery as wire;

/// Why a registry cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// One word.
    pub(crate) kind: &'static str,
    /// A sentence.
    pub(crate) message: String,
}

impl From<weir_discovery::Error> for Failure {
    fn from(error: weir_discovery::Error) -> Self {
        Self {
            kind: error.kind.as_str(),
            message: error.to_string(),
        }
    }
}

/// A failure with its history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failing {
    pub(crate) failure: Failure,
    pub(crate) since_ms: u64,
    pub(crate) attempts: u64,
}

/// An answer that is held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HeldBack {
    pub(crate) since_ms: u64,
    pub(crate) until_ms: u64,
    /// Endpoints that the registry names.
    pub(crate) offered: usize,
    /// Endpoints in use that it does not name any more.
    pub(crate) missing: usize,
}

/// One lookup.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) lookup: Lookup,
    pub(crate) users: BTreeSet<Key>,
    /// Name of the registry object; empty for one of the file, or when none fits.
    pub(crate) registry: String,
    /// What agents are told.
    pub(crate) set: Option<Arc<EndpointSet>>,
    pub(crate) index: String,
    pub(crate) note: Option<String>,
    pub(crate) changed_ms: u64,
    /// Last answer of the registry.
    pub(crate) checked_ms: u64,
    pub(crate) failing: Option<Failing>,
    pub(crate) held: Option<HeldBack>,
}

impl Record {
    /// Nothing is known yet.
    pub(crate) fn new(lookup: Lookup, users: BTreeSet<Key>) -> Self {
        Self {
            lookup,
            users,
            registry: String::new(),
            set: None,
            index: String::new(),
            note: None,
            changed_ms: 0,
            checked_ms: 0,
            failing: None,
            held: None,
        }
    }

    /// Whether it is of this registry (by type or name) and service; empty texts fit all.
    pub(crate) fn fits(&self, registry: &str, service: &str) -> bool {
        let registry_fits =
            registry.is_empty() || registry == self.registry || registry == self.lookup.kind;
        registry_fits && (service.is_empty() || service == self.lookup.service_name)
    }

    /// For the wire.
    pub(crate) fn to_wire(
        &self,
        node_id: u64,
        key: &EndpointKey,
        endpoints: bool,
    ) -> wire::Watched {
        let count = self.set.as_ref().map_or(0, |set| set.len());
        let set = self.set.as_ref().filter(|_| endpoints);
        wire::Watched {
            node_id,
            key: key.to_string(),
            r#type: self.lookup.kind.clone(),
            registry: self.registry.clone(),
            service_name: self.lookup.service_name.clone(),
            users: self.users.iter().map(Into::into).collect(),
            endpoints: set.map(|set| to_wire(key, set)),
            endpoint_count: count as u64,
            index: self.index.clone(),
            note: self.note.clone().unwrap_or_default(),
            changed_ms: self.changed_ms,
            checked_ms: self.checked_ms,
            failure: self.failing.as_ref().map(|failing| wire::Failure {
                kind: failing.failure.kind.to_owned(),
                message: failing.failure.message.clone(),
                since_ms: failing.since_ms,
                attempts: failing.attempts,
            }),
            held: self.held.map(|held| wire::Held {
                since_ms: held.since_ms,
                until_ms: held.until_ms,
                offered: held.offered as u64,
                missing: held.missing as u64,
            }),
        }
    }
}
