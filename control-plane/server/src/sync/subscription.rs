//! What an agent asks for, and what follows from it. Pure.

use std::cmp::Ordering;

use weir_model::Revision;
use weir_proto::sync::{EndpointVersion, Subscribe};
use weir_store::State;

use super::fleet::Identity;

/// Longest text that an agent may say about itself.
const TEXT_LIMIT: usize = 256;

/// What an agent has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Position {
    /// Cluster that it is from; empty when it has nothing.
    pub(crate) cluster_id: String,
    /// Revision of that cluster.
    pub(crate) revision: Revision,
}

/// A valid first message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subscription {
    /// Who it is.
    pub(crate) identity: Identity,
    /// What it has.
    pub(crate) position: Position,
    /// Endpoint sets that it has; `None` when it takes none.
    pub(crate) endpoints: Option<Vec<EndpointVersion>>,
}

impl Subscription {
    /// Checks the first message of a stream from `address`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn new(subscribe: Subscribe, address: String) -> Result<Self, String> {
        let texts = [
            ("name", &subscribe.name),
            ("region", &subscribe.region),
            ("group", &subscribe.group),
            ("version", &subscribe.version),
            ("instance", &subscribe.instance),
            ("cluster_id", &subscribe.cluster_id),
        ];
        for (field, text) in texts {
            if text.len() > TEXT_LIMIT {
                return Err(format!(
                    "{field}: must have {TEXT_LIMIT} bytes or fewer, got {}",
                    text.len()
                ));
            }
        }
        if subscribe.name.is_empty() {
            return Err("name: must not be empty".to_owned());
        }
        Ok(Self {
            identity: Identity {
                name: subscribe.name,
                instance: subscribe.instance,
                region: subscribe.region,
                group: subscribe.group,
                version: subscribe.version,
                address,
            },
            position: Position {
                cluster_id: subscribe.cluster_id,
                revision: subscribe.revision,
            },
            endpoints: subscribe.takes_endpoints.then_some(subscribe.endpoints),
        })
    }
}

/// What to send next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Nothing: the agent has what we have.
    Current,
    /// Nothing yet: we are not as far as the agent, or have no cluster.
    Wait,
    /// What changed since its revision.
    Delta,
    /// Everything.
    Full,
}

/// Decides what an agent at `position` needs. `patient` tells whether a node that is behind may
/// still catch up.
pub(crate) fn plan(position: &Position, state: &State, patient: bool) -> Plan {
    if state.cluster_id.is_empty() {
        return Plan::Wait;
    }
    if position.cluster_id != state.cluster_id {
        return Plan::Full;
    }
    match position.revision.cmp(&state.set.revision) {
        Ordering::Equal => Plan::Current,
        Ordering::Less => Plan::Delta,
        Ordering::Greater if patient => Plan::Wait,
        Ordering::Greater => Plan::Full,
    }
}
