//! What one member knows of the cluster.

use serde::{Deserialize, Serialize};

/// Role of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Takes writes.
    Leader,
    /// Votes and replicates.
    Follower,
    /// Replicates without a vote.
    Learner,
    /// Asks to become leader.
    Candidate,
    /// Not part of a cluster yet.
    Standby,
}

impl Role {
    /// Lower-case name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Leader => "leader",
            Role::Follower => "follower",
            Role::Learner => "learner",
            Role::Candidate => "candidate",
            Role::Standby => "standby",
        }
    }
}

/// One member as the asked node sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Node id.
    pub node_id: u64,
    /// `host:port` for other members.
    pub peer_address: String,
    /// `host:port` for CLI and agents.
    pub grpc_address: String,
    /// Whether it votes.
    pub voter: bool,
    /// Last log entry that it is known to hold; only the leader knows, 0 elsewhere.
    pub matched: u64,
}

/// What one node knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// This node.
    pub node_id: u64,
    /// Its role.
    pub role: Role,
    /// The leader, when one is known.
    pub leader_id: Option<u64>,
    /// Term.
    pub term: u64,
    /// Index of the last log entry; 0 when there is none.
    pub last_log: u64,
    /// Index of the last entry known to be committed.
    pub committed: u64,
    /// Index of the last entry applied.
    pub applied: u64,
    /// Index up to which the log is purged.
    pub purged: u64,
    /// Members, by id.
    pub members: Vec<Member>,
    /// Name of the cluster, empty before bootstrap.
    pub cluster_id: String,
}
