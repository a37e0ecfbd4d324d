//! What the agent knows of itself: shared by the sync client, which writes it, and the status
//! port, which reads it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::Serialize;
use weir_model::endpoint::{EndpointKey, Endpoints};
use weir_model::{ContentHash, ResourceSet, Revision};
use weir_proxy::runtime::Findings;

use crate::readiness::Readiness;
use crate::sync::mirror::Mirror;

/// Where the runtime in use came from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Source {
    /// There is none yet.
    #[default]
    None,
    /// A control node, in this life of the process.
    Stream,
    /// The disk.
    Cache,
}

/// A problem of one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// The resource, as `routes/1`.
    pub(crate) resource: String,
    /// Dotted path inside it.
    pub(crate) path: String,
    /// What is wrong.
    pub(crate) message: String,
}

impl Finding {
    /// Findings of a compilation.
    pub(crate) fn list(found: &Findings) -> Vec<Self> {
        let finding = |(key, problem): (&weir_model::Key, &weir_model::Problem)| Self {
            resource: key.to_string(),
            path: problem.path.clone(),
            message: problem.message.clone(),
        };
        found.iter().map(finding).collect()
    }
}

/// The last NACK.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Nack {
    /// Revision that had the resources.
    pub(crate) revision: Revision,
    /// The resources, which keep their last good form.
    pub(crate) refused: Vec<Finding>,
}

/// The facts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    pub(crate) source: Source,
    pub(crate) connected: bool,
    /// Address of the control node, while connected.
    pub(crate) control_node: Option<String>,
    /// Why the last connection ended or could not be made.
    pub(crate) last_error: Option<String>,
    pub(crate) cluster_id: String,
    pub(crate) revision: Revision,
    /// Newest revision that a control node told of.
    pub(crate) newest_revision: Revision,
    pub(crate) last_nack: Option<Nack>,
    pub(crate) pending: Findings,
    /// From receiving the last chunk to publishing.
    pub(crate) apply_micros: u64,
    /// Revision that is on disk: what a restart without a control node would serve.
    pub(crate) cached_revision: Revision,
    /// Why the newest state is not on disk.
    pub(crate) cache_error: Option<String>,
    /// Why the newest endpoints are not on disk.
    pub(crate) endpoints_cache_error: Option<String>,
    pub(crate) draining: bool,
    pub(crate) readiness: Readiness,
    pub(crate) set: ResourceSet,
    pub(crate) endpoints: Endpoints,
    /// When this agent was last told something new of a lookup.
    pub(crate) endpoint_changes: BTreeMap<EndpointKey, Instant>,
}

impl Facts {
    /// These endpoints are in use from `now` on.
    pub(crate) fn use_endpoints(&mut self, endpoints: &Endpoints, now: Instant) {
        for key in self.endpoints.differing(endpoints) {
            match endpoints.get(key) {
                Some(_) => _ = self.endpoint_changes.insert(key.clone(), now),
                None => _ = self.endpoint_changes.remove(key),
            }
        }
        self.endpoints = endpoints.clone();
    }

    /// The state in use; `None` when there is none yet.
    pub(crate) fn mirror(&self) -> Option<Mirror> {
        (self.source != Source::None).then(|| Mirror {
            cluster_id: self.cluster_id.clone(),
            set: self.set.clone(),
            endpoints: self.endpoints.clone(),
        })
    }

    /// Revisions behind the newest one that is known.
    pub(crate) fn lag(&self) -> u64 {
        self.newest_revision.saturating_sub(self.revision)
    }

    /// Why something of what is in use is not on disk.
    pub(crate) fn cache_error(&self) -> Option<&str> {
        let error = self.cache_error.as_deref();
        error.or(self.endpoints_cache_error.as_deref())
    }

    /// What keeps this agent from being ready to get traffic.
    pub(crate) fn missing(&mut self, now: Instant) -> Option<String> {
        let missing = self.readiness.missing(&self.endpoints, now)?;
        let why = match &self.last_error {
            Some(error) => error.as_str(),
            None if self.source == Source::None => "no control node has answered yet",
            None => return Some(missing),
        };
        Some(format!("{missing}; {why}"))
    }
}

/// The facts, shared. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct SharedFacts {
    facts: Arc<Mutex<Facts>>,
    hash: Arc<Mutex<ContentHash>>,
}

impl SharedFacts {
    /// Reads or changes them; held for a moment only.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hash of the set in use, with its revision. Costs a pass over what changed since the last
    /// time.
    pub(crate) fn content_hash(&self) -> (Revision, String) {
        let mut hash = self.hash.lock().unwrap_or_else(PoisonError::into_inner);
        let set = self.lock().set.clone();
        (set.revision, hash.of(&set))
    }
}
