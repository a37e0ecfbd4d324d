//! Signs of life, and when a stream is given up.

use tokio::time::Instant;
use tonic::Status;
use weir_proto::sync::{StreamResponse, TicketSecret};
use weir_proxy::tls::tickets;
use weir_store::State;

use super::Session;
use super::sending::Stage;
use crate::sync::codec::Frame;
use crate::sync::encode::encode;

impl Session {
    pub(super) fn heartbeat(&self) -> Frame {
        let state = self.server.raft.stale();
        Frame {
            nonce: None,
            chunk: encode(&StreamResponse {
                revision: state.set.revision,
                cluster_id: state.cluster_id.clone(),
                node: self.server.node.clone(),
                heartbeat: true,
                ticket_secrets: self.ticket_secrets(&state),
                ..StreamResponse::default()
            }),
        }
    }

    /// What the agent's group makes keys of session tickets of. Other groups cannot derive it.
    fn ticket_secrets(&self, state: &State) -> Vec<TicketSecret> {
        let group = &self.identity.group;
        let secrets = state.tickets.iter();
        let derived = secrets.filter_map(|ticket| {
            Some(TicketSecret {
                secret: tickets::of_group(&ticket.secret.0, group)?.to_vec(),
                since: ticket.at_ms / 1000,
            })
        });
        derived.collect()
    }

    /// Which limit is over, if one is.
    pub(super) fn overdue(&self, now: Instant) -> Option<Status> {
        let limits = &self.server.settings;
        let over = |since: Instant, limit| now.duration_since(since) > limit;
        let fed = self.feed.as_ref();
        if let Some(problem) = fed.and_then(|feed| feed.overdue(now, limits.acknowledge)) {
            return Some(problem);
        }
        match &self.stage {
            Stage::Sending { since, .. } if over(*since, limits.stall) => {
                Some(Status::deadline_exceeded("the agent does not read"))
            }
            Stage::Awaiting { since, .. } if over(*since, limits.acknowledge) => {
                Some(Status::deadline_exceeded("the agent does not acknowledge"))
            }
            _ if over(self.heard, limits.silence) => {
                Some(Status::deadline_exceeded("the agent is silent"))
            }
            // Not at once: what this node has may be newer than what the agent has.
            _ if over(self.began, limits.detached)
                && self.server.raft.silence() > limits.detached =>
            {
                Some(Status::unavailable("this node has lost its majority"))
            }
            Stage::Idle
                if over(self.began, limits.catch_up)
                    && self.server.raft.stale().cluster_id.is_empty() =>
            {
                Some(Status::unavailable("this node is not part of a cluster"))
            }
            _ => None,
        }
    }
}
