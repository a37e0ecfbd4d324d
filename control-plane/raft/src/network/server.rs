//! The service on the peer address.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse};
use tokio::sync::mpsc;
use tonic::{Request, Response, Status, Streaming};
use weir_proto::raft as wire;
use weir_proto::raft::raft_service_server::RaftService;

use super::{MESSAGE_BYTES, check_header, decode, describe, encode};
use crate::identity::Place;
use crate::membership::{Change, NotMade};
use crate::node::{Leader, Node};
use crate::snapshot_file::digest;
use crate::types::{Peer, Snapshot, SnapshotMeta, TypeConfig, Vote};
use crate::write::Attempt;

/// How long a change of membership may take for a caller on another node.
const CHANGE: Duration = Duration::from_secs(20);

/// Answers members, as soon as there is something to say.
#[derive(Clone)]
pub(crate) struct PeerService {
    pub(crate) node_id: u64,
    pub(crate) incarnation: String,
    /// Set when the node has its place and runs.
    pub(crate) running: Arc<OnceLock<Arc<Node>>>,
    /// Where a leader puts the place of a node that waits for one.
    pub(crate) adopted: mpsc::Sender<Place>,
}

impl PeerService {
    fn node(&self) -> Result<&Arc<Node>, Status> {
        self.running
            .get()
            .filter(|node| !node.stop.is_cancelled())
            .ok_or_else(|| Status::failed_precondition("this node does not run (yet)"))
    }

    /// The node, when the message is for it.
    fn addressed(&self, header: Option<&wire::Header>) -> Result<&Arc<Node>, Status> {
        let node = self.node()?;
        check_header(header, &node.cluster_id, node.me)?;
        Ok(node)
    }
}

/// Openraft has stopped or is broken: this member is out until it is started again.
fn fatal(error: &impl ToString) -> Status {
    Status::failed_precondition(error.to_string())
}

fn not_made(error: NotMade) -> Status {
    match error {
        NotMade::Retry(reason) => Status::unavailable(reason),
        NotMade::NotAMember(id) => Status::not_found(format!("node {id} is not a member")),
        NotMade::Unsafe(reason) => Status::failed_precondition(reason),
    }
}

#[tonic::async_trait]
impl RaftService for PeerService {
    async fn append(
        &self,
        request: Request<wire::AppendRequest>,
    ) -> Result<Response<wire::AppendResponse>, Status> {
        let request = request.into_inner();
        let node = self.addressed(request.header.as_ref())?;
        let entries: AppendEntriesRequest<TypeConfig> = decode("append request", &request.payload)?;
        let term = entries.vote.leader_id().term;
        let answer = Box::pin(node.raft.append_entries(entries))
            .await
            .map_err(|error| fatal(&error))?;
        if !matches!(answer, AppendEntriesResponse::HigherVote(_)) {
            node.contact.touch(term);
        }
        Ok(Response::new(wire::AppendResponse {
            payload: encode(&answer)?,
        }))
    }

    async fn vote(
        &self,
        request: Request<wire::VoteRequest>,
    ) -> Result<Response<wire::VoteResponse>, Status> {
        let request = request.into_inner();
        let node = self.addressed(request.header.as_ref())?;
        let vote = decode("vote request", &request.payload)?;
        let answer = if request.pre_vote {
            Box::pin(node.raft.pre_vote(vote)).await
        } else {
            Box::pin(node.raft.vote(vote)).await
        };
        let answer = answer.map_err(|error| fatal(&error))?;
        Ok(Response::new(wire::VoteResponse {
            payload: encode(&answer)?,
        }))
    }

    async fn install_snapshot(
        &self,
        request: Request<Streaming<wire::InstallSnapshotRequest>>,
    ) -> Result<Response<wire::InstallSnapshotResponse>, Status> {
        let mut stream = request.into_inner();
        let first = stream
            .message()
            .await?
            .ok_or_else(|| Status::invalid_argument("snapshot without metadata"))?;
        let node = self.addressed(first.header.as_ref())?;
        let (vote, meta): (Vote, SnapshotMeta) = decode("snapshot metadata", &first.metadata)?;
        let mut data = first.chunk;
        let mut sha256 = first.sha256;
        while let Some(part) = stream.message().await? {
            data.extend_from_slice(&part.chunk);
            sha256 = part.sha256;
        }
        if digest(&data) != sha256 {
            return Err(Status::data_loss(format!(
                "snapshot of {} bytes came damaged",
                data.len()
            )));
        }
        // Checked before openraft takes it: what it cannot install would stop this member.
        let data = Arc::new(data);
        let checked = Arc::clone(&data);
        tokio::task::spawn_blocking(move || weir_store::decode(&checked).map(drop))
            .await
            .map_err(|error| Status::internal(error.to_string()))?
            .map_err(|error| Status::data_loss(error.to_string()))?;
        let snapshot = Snapshot {
            meta,
            snapshot: data,
        };
        let answer = Box::pin(node.raft.install_full_snapshot(vote, snapshot))
            .await
            .map_err(|error| fatal(&error))?;
        Ok(Response::new(wire::InstallSnapshotResponse {
            payload: encode(&answer)?,
        }))
    }

    async fn transfer_leader(
        &self,
        request: Request<wire::TransferLeaderRequest>,
    ) -> Result<Response<wire::TransferLeaderResponse>, Status> {
        let request = request.into_inner();
        let node = self.addressed(request.header.as_ref())?;
        let transfer = decode("transfer request", &request.payload)?;
        let answer = node
            .raft
            .handle_transfer_leader(transfer)
            .await
            .map_err(|error| fatal(&error))?;
        Ok(Response::new(wire::TransferLeaderResponse {
            payload: encode(&answer)?,
        }))
    }

    async fn forward(
        &self,
        request: Request<wire::ForwardRequest>,
    ) -> Result<Response<wire::ForwardResponse>, Status> {
        use wire::forward_response::Result as Forwarded;
        let request = request.into_inner();
        let node = self.addressed(request.header.as_ref())?;
        let command = decode("command", &request.command)
            .map_err(|status| Status::failed_precondition(status.message()))?;
        let until = Instant::now() + Duration::from_millis(request.timeout_ms).min(CHANGE);
        let result = match node.propose(command, until).await {
            Attempt::Done(outcome) => match encode(&outcome) {
                Ok(outcome) => Forwarded::Outcome(outcome),
                Err(status) => Forwarded::Unknown(describe(&status).to_string()),
            },
            Attempt::NotProposed(reason) => Forwarded::NotProposed(reason),
            Attempt::Unknown(reason) => Forwarded::Unknown(reason),
            Attempt::Storage(reason) => Forwarded::Storage(reason),
        };
        Ok(Response::new(wire::ForwardResponse {
            result: Some(result),
        }))
    }

    async fn read_index(
        &self,
        request: Request<wire::ReadIndexRequest>,
    ) -> Result<Response<wire::ReadIndexResponse>, Status> {
        let node = self.addressed(request.get_ref().header.as_ref())?;
        let index = node.read_index_here().await.map_err(Status::unavailable)?;
        Ok(Response::new(wire::ReadIndexResponse { index }))
    }

    async fn change_membership(
        &self,
        request: Request<wire::ChangeMembershipRequest>,
    ) -> Result<Response<wire::ChangeMembershipResponse>, Status> {
        use wire::change_membership_response::Result as Answer;
        let request = request.into_inner();
        let node = self.addressed(request.header.as_ref())?;
        let change: Change = decode("change", &request.change)?;
        let result = match node.change_here(change, Instant::now() + CHANGE).await {
            Ok(leader) => Answer::LeaderId(leader),
            Err(NotMade::Retry(reason)) => Answer::Retry(reason),
            Err(NotMade::NotAMember(id)) => Answer::NotAMember(id),
            Err(NotMade::Unsafe(reason)) => Answer::Unsafe(reason),
        };
        Ok(Response::new(wire::ChangeMembershipResponse {
            result: Some(result),
        }))
    }

    async fn join(
        &self,
        request: Request<wire::JoinRequest>,
    ) -> Result<Response<wire::JoinResponse>, Status> {
        let mut request = request.into_inner();
        let node = self.node()?;
        if request.node_id == 0 || request.incarnation.is_empty() {
            return Err(Status::invalid_argument(
                "node_id and incarnation are needed",
            ));
        }
        if !request.cluster_id.is_empty() && request.cluster_id != node.cluster_id {
            return Err(Status::failed_precondition(format!(
                "node {} belongs to cluster {}, this is {}",
                request.node_id, request.cluster_id, node.cluster_id
            )));
        }
        match node.leader() {
            Leader::Me => {
                let peer = Peer {
                    peer_address: request.peer_address,
                    grpc_address: request.grpc_address,
                    incarnation: request.incarnation,
                    learner: request.learner,
                };
                let _one = node.membership.lock().await;
                let admit = Box::pin(node.admit(request.node_id, peer));
                let epoch = tokio::time::timeout(CHANGE, admit)
                    .await
                    .map_err(|_| Status::unavailable("no majority confirmed it in time"))?
                    .map_err(not_made)?;
                Ok(Response::new(wire::JoinResponse {
                    cluster_id: node.cluster_id.clone(),
                    epoch,
                }))
            }
            Leader::Other(_, leader) if !request.forwarded => {
                request.forwarded = true;
                let mut client = node.client(&leader).map_err(Status::unavailable)?;
                client.join(request).await
            }
            _ => Err(Status::unavailable("no leader is known")),
        }
    }

    async fn adopt(
        &self,
        request: Request<wire::AdoptRequest>,
    ) -> Result<Response<wire::AdoptResponse>, Status> {
        let request = request.into_inner();
        let mine = request.node_id == self.node_id && request.incarnation == self.incarnation;
        if !mine || self.running.get().is_some() {
            return Err(Status::failed_precondition(
                "this node does not wait for a place",
            ));
        }
        let place = Place {
            cluster_id: request.cluster_id,
            epoch: request.epoch,
        };
        self.adopted
            .try_send(place)
            .map_err(|_| Status::failed_precondition("this node has got a place"))?;
        Ok(Response::new(wire::AdoptResponse {}))
    }

    async fn info(
        &self,
        _request: Request<wire::InfoRequest>,
    ) -> Result<Response<wire::InfoResponse>, Status> {
        let mut info = wire::InfoResponse {
            node_id: self.node_id,
            role: crate::status::Role::Standby.as_str().to_owned(),
            incarnation: self.incarnation.clone(),
            ..Default::default()
        };
        if let Ok(node) = self.node() {
            let status = node.status();
            info.role = status.role.as_str().to_owned();
            info.term = status.term;
            info.last_log = status.last_log;
            info.applied = status.applied;
            info.cluster_id = status.cluster_id;
            let metrics = node.raft_metrics();
            let membership = &metrics.committed_membership_config;
            info.members = membership.nodes().map(|(id, _)| id.to_string()).collect();
            info.membership_index = membership.log_id().as_ref().map_or(0, |id| id.index());
        }
        Ok(Response::new(info))
    }
}

/// The service with its limits.
pub(crate) fn service(
    service: PeerService,
) -> wire::raft_service_server::RaftServiceServer<PeerService> {
    wire::raft_service_server::RaftServiceServer::new(service)
        .max_decoding_message_size(MESSAGE_BYTES)
        .max_encoding_message_size(MESSAGE_BYTES)
}
