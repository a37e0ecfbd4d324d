//! Who a data directory is: written once, before the node takes part in anything.

use serde::{Deserialize, Serialize};

use crate::types::PeerId;

/// Kept in `raft.db`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    /// Node id that the operator gave.
    pub(crate) node_id: u64,
    /// Random, unique for the data directory: a wiped one has another.
    pub(crate) incarnation: String,
    /// What the cluster knows it as; `None` until it belongs to one.
    #[serde(default)]
    pub(crate) place: Option<Place>,
}

/// The place of a node in a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// Name of the cluster.
    pub(crate) cluster_id: String,
    /// Epoch of this member's [`PeerId`].
    pub(crate) epoch: u64,
}

impl Identity {
    /// The id of this node as a member; `None` until it is one.
    pub(crate) fn peer_id(&self) -> Option<PeerId> {
        self.place.as_ref().map(|place| PeerId {
            node: self.node_id,
            epoch: place.epoch,
        })
    }
}
