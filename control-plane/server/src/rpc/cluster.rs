//! `weir.cluster.v1.ClusterService`.

use std::sync::Arc;

use tonic::{Request, Response, Status};
use weir_proto::cluster::cluster_service_client::ClusterServiceClient;
use weir_proto::cluster::cluster_service_server::ClusterService;
use weir_proto::cluster::{
    AddRequest, AddResponse, ListAgentsRequest, ListAgentsResponse, Member, PromoteRequest,
    PromoteResponse, RemoveRequest, RemoveResponse, StatusRequest, StatusResponse,
    TransferLeaderRequest, TransferLeaderResponse,
};

use super::access::Caller;
use super::{error, members};
use crate::Shared;
use crate::sync::fleet;

/// Members and fleet, for operators.
pub(super) struct Cluster {
    shared: Arc<Shared>,
}

impl Cluster {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }
}

#[tonic::async_trait]
impl ClusterService for Cluster {
    async fn status(
        &self,
        request: Request<StatusRequest>,
    ) -> Result<Response<StatusResponse>, Status> {
        let caller = Caller::of(&request)?.clone();
        let status = self.shared.raft.status();
        let local_only = request.into_inner().local_only;
        let (answers, state_hash, state_hash_index) = if local_only {
            (Vec::new(), String::new(), 0)
        } else {
            let asking = members::ask(&status, |channel| {
                let mut client = ClusterServiceClient::new(channel);
                let request = members::in_name_of(&caller, StatusRequest { local_only: true });
                async move { client.status(request).await.map(Response::into_inner) }
            });
            let state = self.shared.raft.stale();
            let index = state.set.revision;
            // Encodes the whole state.
            let hashing = tokio::task::spawn_blocking(move || weir_store::state_hash(&state));
            let (answers, hash) = tokio::join!(asking, hashing);
            (answers, hash.unwrap_or_default(), index)
        };
        let members = if local_only {
            let known = |member: &weir_raft::Member| Member {
                node_id: member.node_id,
                voter: member.voter,
                matched: member.matched,
                ..Member::default()
            };
            status.members.iter().map(known).collect()
        } else {
            members::describe(&status, &answers)
        };
        Ok(Response::new(StatusResponse {
            node_id: status.node_id,
            role: status.role.as_str().to_owned(),
            leader_id: status.leader_id.unwrap_or(0),
            term: status.term,
            last_log: status.last_log,
            committed: status.committed,
            applied: status.applied,
            purged: status.purged,
            members,
            cluster_id: status.cluster_id,
            state_hash,
            state_hash_index,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }))
    }

    async fn add(&self, request: Request<AddRequest>) -> Result<Response<AddResponse>, Status> {
        Caller::of(&request)?.admin()?;
        let request = request.into_inner();
        let member = weir_raft::Member {
            node_id: node_id(request.node_id)?,
            peer_address: address("peer_address", request.peer_address)?,
            grpc_address: address("grpc_address", request.grpc_address)?,
            voter: false,
            matched: 0,
        };
        tracing::info!(node_id = member.node_id, peer = %member.peer_address, "adding a member");
        let added = self.shared.raft.add_learner(member).await;
        added.map_err(|error| error::of_membership(&error))?;
        Ok(Response::new(AddResponse {}))
    }

    async fn promote(
        &self,
        request: Request<PromoteRequest>,
    ) -> Result<Response<PromoteResponse>, Status> {
        Caller::of(&request)?.admin()?;
        let node_id = node_id(request.into_inner().node_id)?;
        tracing::info!(node_id, "promoting a learner");
        let promoted = self.shared.raft.promote(node_id).await;
        promoted.map_err(|error| error::of_membership(&error))?;
        Ok(Response::new(PromoteResponse {}))
    }

    async fn remove(
        &self,
        request: Request<RemoveRequest>,
    ) -> Result<Response<RemoveResponse>, Status> {
        Caller::of(&request)?.admin()?;
        let request = request.into_inner();
        let node_id = node_id(request.node_id)?;
        tracing::info!(node_id, force = request.force, "removing a member");
        let removed = self.shared.raft.remove(node_id, request.force).await;
        removed.map_err(|error| error::of_membership(&error))?;
        Ok(Response::new(RemoveResponse {}))
    }

    async fn transfer_leader(
        &self,
        request: Request<TransferLeaderRequest>,
    ) -> Result<Response<TransferLeaderResponse>, Status> {
        Caller::of(&request)?.admin()?;
        let to = request.into_inner().node_id;
        let to = (to != 0).then_some(to);
        tracing::info!(?to, "transferring leadership");
        let transferred = self.shared.raft.transfer_leader(to).await;
        let leader_id = transferred.map_err(|error| error::of_membership(&error))?;
        Ok(Response::new(TransferLeaderResponse { leader_id }))
    }

    async fn list_agents(
        &self,
        request: Request<ListAgentsRequest>,
    ) -> Result<Response<ListAgentsResponse>, Status> {
        let caller = Caller::of(&request)?.clone();
        let ListAgentsRequest { name, local_only } = request.into_inner();
        let mut revision = self.shared.raft.stale().set.revision;
        let mut agents = self.shared.agents.list(revision);
        let mut unreachable_nodes = Vec::new();
        if !local_only {
            let status = self.shared.raft.status();
            let answers = members::ask(&status, |channel| {
                let mut client = ClusterServiceClient::new(channel);
                let message = ListAgentsRequest {
                    name: name.clone(),
                    local_only: true,
                };
                let request = members::in_name_of(&caller, message);
                async move { client.list_agents(request).await.map(Response::into_inner) }
            });
            for (node_id, answer) in answers.await {
                match answer {
                    Some(answer) => {
                        revision = revision.max(answer.revision);
                        agents.extend(answer.agents);
                    }
                    None => unreachable_nodes.push(node_id),
                }
            }
            agents = fleet::merge(agents);
            for agent in &mut agents {
                agent.lag = revision.saturating_sub(agent.revision);
            }
        }
        if !name.is_empty() {
            agents.retain(|agent| agent.name == name);
        }
        Ok(Response::new(ListAgentsResponse {
            agents,
            unreachable_nodes,
            revision,
        }))
    }
}

fn node_id(node_id: u64) -> Result<u64, Status> {
    match node_id {
        0 => Err(Status::invalid_argument(
            "node_id: expected 1 or more, got 0",
        )),
        node_id => Ok(node_id),
    }
}

fn address(field: &str, text: String) -> Result<String, Status> {
    let fits = text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && port.parse().is_ok_and(|port: u16| port > 0)
    });
    if fits {
        Ok(text)
    } else {
        Err(Status::invalid_argument(format!(
            "{field}: expected HOST:PORT, got {text:?}"
        )))
    }
}
