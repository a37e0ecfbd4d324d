//! How openraft is parameterised: what a member is called, what an entry holds.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use weir_store::{Command, Outcome};

openraft::declare_raft_types!(
    /// The types of Weir's Raft.
    pub(crate) TypeConfig:
        D = Request,
        R = Response,
        NodeId = PeerId,
        Node = Peer,
        Term = u64,
        LeaderId = openraft::impls::leader_id_std::LeaderId<Self::Term, Self::NodeId>,
);

pub(crate) type LogId = openraft::alias::LogIdOf<TypeConfig>;
pub(crate) type Vote = openraft::alias::VoteOf<TypeConfig>;
pub(crate) type Entry = openraft::alias::EntryOf<TypeConfig>;
pub(crate) type SnapshotMeta = openraft::alias::SnapshotMetaOf<TypeConfig>;
/// The bytes of [`weir_store::encode`].
pub(crate) type SnapshotData = std::sync::Arc<Vec<u8>>;
pub(crate) type Snapshot = openraft::alias::SnapshotOf<TypeConfig, SnapshotData>;
pub(crate) type StoredMembership = openraft::alias::StoredMembershipOf<TypeConfig>;
pub(crate) type Metrics = openraft::RaftMetrics<TypeConfig>;
pub(crate) type Raft = openraft::Raft<TypeConfig, crate::state_machine::StateMachine>;

/// What an entry asks of the state machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Request(pub(crate) Command);

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Command::Bootstrap { .. } => f.write_str("bootstrap"),
            Command::Write { changes, .. } => write!(f, "write of {} changes", changes.len()),
            Command::RotateTickets { .. } => f.write_str("new secret of session tickets"),
            Command::Expire { .. } => f.write_str("expire"),
        }
    }
}

/// What the state machine answers; `None` for entries that are not for it.
pub(crate) type Response = Option<Outcome>;

/// Names one log for ever: the node that the operator knows, and which of its lives. A node that
/// lost its disk comes back under a new epoch, because a member that forgot its log must not vote
/// as the one that it was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PeerId {
    /// What the operator calls it.
    pub(crate) node: u64,
    /// Index of the log entry that was made for it; 0 for the node that formed the cluster.
    pub(crate) epoch: u64,
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.node, self.epoch)
    }
}

impl From<u64> for PeerId {
    fn from(node: u64) -> Self {
        Self { node, epoch: 0 }
    }
}

/// A text that is not `NODE.EPOCH`.
#[derive(Debug, thiserror::Error)]
#[error("expected NODE.EPOCH such as 2.117, got {0:?}")]
pub(crate) struct ParsePeerIdError(String);

impl FromStr for PeerId {
    type Err = ParsePeerIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split_once('.')
            .and_then(|(node, epoch)| {
                Some(Self {
                    node: node.parse().ok()?,
                    epoch: epoch.parse().ok()?,
                })
            })
            .ok_or_else(|| ParsePeerIdError(text.to_owned()))
    }
}

// As text, since it is also a key of JSON maps.
impl Serialize for PeerId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PeerId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// What the membership says of one member.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Peer {
    /// `host:port` for other members.
    pub(crate) peer_address: String,
    /// `host:port` for CLI and agents.
    pub(crate) grpc_address: String,
    /// Unique for its data directory.
    pub(crate) incarnation: String,
    /// Stays a learner until it is promoted by hand.
    #[serde(default)]
    pub(crate) learner: bool,
}

#[cfg(test)]
mod tests {
    use super::PeerId;

    #[test]
    fn peer_id_is_read_as_printed() {
        let id = PeerId {
            node: 2,
            epoch: 117,
        };
        assert_eq!(id.to_string().parse::<PeerId>().unwrap(), id);
        assert_eq!(serde_json::to_string(&id).unwrap(), "\"2.117\"");
        for bad in ["", "2", "2.", ".1", "a.b", "1.2.3"] {
            assert!(bad.parse::<PeerId>().is_err(), "{bad}");
        }
    }
}
