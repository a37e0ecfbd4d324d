//! What the agent has of the control plane's state, and how the chunks of a response become the
//! next state of it: whole or not at all.

use std::sync::Arc;

use weir_model::endpoint::Endpoints;
use weir_model::{Delta, ResourceSet, Revision};
use weir_proto::sync::StreamResponse;

/// The state of one cluster at one revision. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Mirror {
    /// Cluster that it came from; empty when there is none yet.
    pub(crate) cluster_id: String,
    /// The resources.
    pub(crate) set: ResourceSet,
    /// What registries say, at no revision.
    pub(crate) endpoints: Endpoints,
}

/// A response that does not fit what the agent has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// Chunks of two responses came mixed.
    #[error("a chunk of response {got:?} came while response {open:?} was open")]
    Mixed {
        /// Nonce of the open response.
        open: String,
        /// Nonce of the chunk.
        got: String,
    },
    /// The response is larger than an agent takes.
    #[error("response {nonce:?} has more than {limit} resources")]
    TooLarge {
        /// Its nonce.
        nonce: String,
        /// The limit.
        limit: usize,
    },
    /// A resource cannot be read.
    #[error("response {nonce:?}: {source}")]
    Malformed {
        /// Its nonce.
        nonce: String,
        /// What is wrong.
        source: weir_proto::convert::Error,
    },
    /// A delta of another cluster.
    #[error("a delta of cluster {got:?} does not fit the state of cluster {have:?}")]
    OtherCluster {
        /// Cluster of the agent's state.
        have: String,
        /// Cluster of the delta.
        got: String,
    },
    /// The control node is behind what this agent has applied.
    #[error("control node offers revision {got}, this agent has {have} already")]
    Behind {
        /// Revision of the agent.
        have: Revision,
        /// Revision that was offered.
        got: Revision,
    },
}

/// Resources that one response may carry.
const MAX_RESOURCES: usize = 2_000_000;

/// A complete response.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Complete {
    pub(crate) nonce: String,
    pub(crate) cluster_id: String,
    pub(crate) delta: Delta,
}

/// The response that is being received.
#[derive(Debug, Default)]
pub(crate) struct Assembly {
    open: Option<Complete>,
}

impl Assembly {
    /// Takes a chunk; the response when it is complete.
    ///
    /// # Errors
    /// A chunk that cannot be part of what came before; the stream must end then.
    pub(crate) fn push(&mut self, chunk: StreamResponse) -> Result<Option<Complete>, Error> {
        let mut open = self.open.take().unwrap_or_else(|| Complete {
            nonce: chunk.nonce.clone(),
            cluster_id: chunk.cluster_id.clone(),
            delta: Delta {
                revision: chunk.revision,
                full: chunk.full,
                ..Delta::default()
            },
        });
        if open.nonce != chunk.nonce || open.delta.revision != chunk.revision {
            return Err(Error::Mixed {
                open: open.nonce,
                got: chunk.nonce,
            });
        }
        let count = open.delta.upserts.len() + open.delta.removals.len();
        if count + chunk.upserts.len() + chunk.removals.len() > MAX_RESOURCES {
            return Err(Error::TooLarge {
                nonce: open.nonce,
                limit: MAX_RESOURCES,
            });
        }
        let malformed = |source| Error::Malformed {
            nonce: chunk.nonce.clone(),
            source,
        };
        for resource in chunk.upserts {
            open.delta
                .upserts
                .push(Arc::new(resource.try_into().map_err(malformed)?));
        }
        for key in chunk.removals {
            open.delta.removals.push(key.try_into().map_err(malformed)?);
        }
        if chunk.last {
            return Ok(Some(open));
        }
        self.open = Some(open);
        Ok(None)
    }
}

impl Mirror {
    /// The state after a complete response. Within one cluster it never goes back in revision.
    ///
    /// # Errors
    /// A response that does not follow from this state.
    pub(crate) fn after(&self, response: &Complete) -> Result<Self, Error> {
        let same = self.cluster_id == response.cluster_id;
        let (have, got) = (self.set.revision, response.delta.revision);
        if !same && !response.delta.full {
            let got = response.cluster_id.clone();
            return Err(Error::OtherCluster {
                have: self.cluster_id.clone(),
                got,
            });
        }
        if same && got < have {
            return Err(Error::Behind { have, got });
        }
        Ok(Self {
            cluster_id: response.cluster_id.clone(),
            set: self.set.with(&response.delta),
            endpoints: self.endpoints.clone(),
        })
    }
}

#[cfg(test)]
mod tests;
