//! Settings of one node.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// How a node becomes part of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// Form a new cluster of one, unless the data directory already has one.
    Bootstrap,
    /// Ask this member (its peer address) to be added, unless the data directory says it was.
    Join(String),
    /// With a data directory of an earlier start; with an empty one, wait to be added by
    /// [`crate::Handle::add_learner`] on a member.
    Resume,
}

/// How long things may take before another leader is sought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Between two heartbeats of the leader.
    pub heartbeat: Duration,
    /// Shortest silence of the leader after which a follower asks for votes.
    pub election_min: Duration,
    /// Longest such silence; also how long a leader trusts the last answer of a majority. A new
    /// leader is there after about `election_max` plus a random part of the range.
    pub election_max: Duration,
}

impl Default for Timing {
    /// A lost leader is replaced within about 2 s, also on a busy machine.
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_millis(200),
            election_min: Duration::from_millis(500),
            election_max: Duration::from_millis(900),
        }
    }
}

/// Settings of one node.
#[derive(Debug, Clone)]
pub struct Options {
    /// Node id, unique in the cluster, not 0.
    pub node_id: u64,
    /// Directory for `raft.db` and snapshots.
    pub data_dir: PathBuf,
    /// Where to listen for members.
    pub peer_listen: SocketAddr,
    /// `host:port` that other members use to reach this node; with port 0 the bound one is put in.
    pub peer_address: String,
    /// `host:port` that the CLI and agents use.
    pub grpc_address: String,
    /// How to become part of a cluster.
    pub start: Start,
    /// Entries after which a snapshot is taken and the log purged.
    pub snapshot_every: u64,
    /// How long a write or a linearizable read is tried.
    pub deadline: Duration,
}
