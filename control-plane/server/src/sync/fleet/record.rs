//! What is known of one agent process.

use serde::{Deserialize, Serialize};
use weir_model::Revision;
use weir_proto::cluster::Agent;
use weir_proto::resource::{Key, Problem};

use super::Ticket;

/// Who an agent says it is. Texts are bounded and `name` is not empty: see
/// [`Subscription`](crate::sync::subscription::Subscription).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    /// Chosen by the operator; the host name otherwise.
    pub(crate) name: String,
    /// Unique per process start.
    pub(crate) instance: String,
    /// May be empty.
    pub(crate) region: String,
    /// May be empty.
    pub(crate) group: String,
    /// Release of the agent.
    pub(crate) version: String,
    /// Where it connects from.
    pub(crate) address: String,
}

/// What an acknowledgement says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Acked {
    /// The revision that was applied.
    pub(crate) revision: Revision,
    /// Hash of the agent's set; empty when it told none.
    pub(crate) content_hash: String,
    /// Resources that it could not use.
    pub(crate) refused: Vec<Problem>,
    /// Settings that it does not act on.
    pub(crate) pending: Vec<Problem>,
}

/// One agent process.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    #[serde(flatten)]
    identity: Identity,
    node_id: u64,
    since_ms: u64,
    pub(crate) last_seen_ms: u64,
    revision: Revision,
    #[serde(default)]
    content_hash: String,
    #[serde(default)]
    refused: Vec<StoredProblem>,
    #[serde(default)]
    refused_revision: Revision,
    #[serde(default)]
    pending: Vec<StoredProblem>,
    /// Never after a restart: those streams are gone.
    #[serde(skip)]
    pub(crate) connected: bool,
    /// The stream that may change this record.
    #[serde(skip)]
    pub(crate) ticket: Option<Ticket>,
}

/// A problem as the file has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct StoredProblem {
    kind: String,
    id: String,
    path: String,
    message: String,
}

impl Record {
    /// The record of a stream that begins now; what an earlier process or stream of the same name
    /// applied and refused stays until this one acknowledges something.
    pub(crate) fn connected(
        identity: Identity,
        node_id: u64,
        ticket: Ticket,
        now_ms: u64,
        earlier: Option<Self>,
    ) -> Self {
        let mut record = earlier.unwrap_or_else(|| Self {
            identity: Identity::default(),
            node_id,
            since_ms: now_ms,
            last_seen_ms: now_ms,
            revision: 0,
            content_hash: String::new(),
            refused: Vec::new(),
            refused_revision: 0,
            pending: Vec::new(),
            connected: true,
            ticket: None,
        });
        record.identity = identity;
        record.node_id = node_id;
        record.since_ms = now_ms;
        record.last_seen_ms = now_ms;
        record.connected = true;
        record.ticket = Some(ticket);
        record
    }

    pub(crate) fn key(&self) -> (String, String) {
        (self.identity.name.clone(), self.identity.instance.clone())
    }

    /// `refused_revision` is the revision that brought these problems: it stays while later
    /// revisions report the same ones.
    pub(crate) fn acknowledge(&mut self, acked: Acked, now_ms: u64) {
        let refused: Vec<StoredProblem> = acked.refused.into_iter().map(Into::into).collect();
        if refused.is_empty() {
            self.refused_revision = 0;
        } else if refused != self.refused {
            self.refused_revision = acked.revision;
        }
        self.refused = refused;
        self.pending = acked.pending.into_iter().map(Into::into).collect();
        self.touch(acked.revision, &acked.content_hash, now_ms);
    }

    pub(crate) fn touch(&mut self, revision: Revision, content_hash: &str, now_ms: u64) {
        if self.revision != revision || !content_hash.is_empty() {
            content_hash.clone_into(&mut self.content_hash);
        }
        self.revision = revision;
        self.last_seen_ms = now_ms;
    }

    pub(crate) fn disconnect(&mut self, now_ms: u64) {
        self.connected = false;
        self.ticket = None;
        self.since_ms = now_ms;
    }

    pub(crate) fn to_wire(&self, newest: Revision) -> Agent {
        Agent {
            name: self.identity.name.clone(),
            region: self.identity.region.clone(),
            group: self.identity.group.clone(),
            version: self.identity.version.clone(),
            connected: self.connected,
            node_id: self.node_id,
            since_ms: self.since_ms,
            last_seen_ms: self.last_seen_ms,
            revision: self.revision,
            lag: newest.saturating_sub(self.revision),
            content_hash: self.content_hash.clone(),
            refused: self.refused.iter().map(Into::into).collect(),
            refused_revision: self.refused_revision,
            pending: self.pending.iter().map(Into::into).collect(),
            address: self.identity.address.clone(),
            instance: self.identity.instance.clone(),
        }
    }
}

impl From<Problem> for StoredProblem {
    fn from(problem: Problem) -> Self {
        let key = problem.key.unwrap_or_default();
        Self {
            kind: key.kind,
            id: key.id,
            path: problem.path,
            message: problem.message,
        }
    }
}

impl From<&StoredProblem> for Problem {
    fn from(problem: &StoredProblem) -> Self {
        Self {
            key: (!problem.kind.is_empty()).then(|| Key {
                kind: problem.kind.clone(),
                id: problem.id.clone(),
            }),
            path: problem.path.clone(),
            message: problem.message.clone(),
        }
    }
}
