//! Who belongs to the cluster: changes asked for by an operator or by a new node, and the keeper
//! that makes new nodes voters when they have caught up.

mod keeper;
mod transfer;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use openraft::ChangeMembers;
use openraft::errors::{ChangeMembershipError, ClientWriteError, RaftError};
use serde::{Deserialize, Serialize};
use weir_proto::raft as wire;
use weir_proto::raft::change_membership_response::Result as Answer;

use crate::error::MembershipError;
use crate::network::channels::Lane;
use crate::network::{describe, encode, header};
use crate::node::{Leader, Node, heard_within};
use crate::status::Member;
use crate::types::{Metrics, Peer, PeerId, TypeConfig};

/// How long a change is tried.
const PATIENCE: Duration = Duration::from_secs(30);
/// One message to a member.
const CALL: Duration = Duration::from_secs(2);
/// Entries that a learner may lack to become a voter.
const NEARLY: u64 = 64;

/// What can be asked of the leader.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Change {
    AddLearner(Member),
    Promote(u64),
    Remove { node_id: u64, force: bool },
    Transfer { to: Option<u64> },
}

/// Why the leader did not make a change.
#[derive(Debug)]
pub(crate) enum NotMade {
    /// It may go later, or on another node.
    Retry(String),
    NotAMember(u64),
    Unsafe(String),
}

impl Node {
    /// Has the leader make a change; returns the leader after it.
    pub(crate) async fn change(&self, change: Change) -> Result<u64, MembershipError> {
        let started = Instant::now();
        let until = started + PATIENCE;
        loop {
            let made = match self.leader() {
                Leader::Me => self.change_here(change.clone(), until).await,
                Leader::Other(id, peer) => self.change_there(id, &peer, &change, until).await,
                Leader::Unknown => Err(NotMade::Retry("no leader is known".to_owned())),
            };
            let reason = match made {
                Ok(leader) => return Ok(leader),
                Err(NotMade::NotAMember(id)) => return Err(MembershipError::NotAMember(id)),
                Err(NotMade::Unsafe(reason)) => return Err(MembershipError::Unsafe(reason)),
                Err(NotMade::Retry(reason)) => reason,
            };
            if !self.pause(until).await {
                let waited_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
                return Err(MembershipError::Unavailable { waited_ms, reason });
            }
        }
    }

    async fn change_there(
        &self,
        leader: PeerId,
        peer: &Peer,
        change: &Change,
        until: Instant,
    ) -> Result<u64, NotMade> {
        let retry = |status: tonic::Status| NotMade::Retry(describe(&status).to_string());
        let mut client = self.client(peer).map_err(NotMade::Retry)?;
        let request = wire::ChangeMembershipRequest {
            header: header(&self.cluster_id, leader),
            change: encode(change).map_err(retry)?,
        };
        let call = tokio::time::timeout_at(until.into(), client.change_membership(request));
        let answer = call
            .await
            .map_err(|_| NotMade::Retry(format!("leader {leader} did not answer in time")))?
            .map_err(retry)?;
        match answer.into_inner().result {
            Some(Answer::LeaderId(leader)) => Ok(leader),
            Some(Answer::NotAMember(id)) => Err(NotMade::NotAMember(id)),
            Some(Answer::Unsafe(reason)) => Err(NotMade::Unsafe(reason)),
            Some(Answer::Retry(reason)) => Err(NotMade::Retry(reason)),
            None => Err(NotMade::Retry(format!("leader {leader} gave no result"))),
        }
    }

    /// Makes a change on this node, which should lead.
    pub(crate) async fn change_here(&self, change: Change, until: Instant) -> Result<u64, NotMade> {
        let _one = self.membership.lock().await;
        let work = Box::pin(async {
            match change {
                Change::AddLearner(member) => self.add_learner(member).await,
                Change::Promote(node_id) => self.promote(node_id).await,
                Change::Remove { node_id, force } => self.remove(node_id, force).await,
                Change::Transfer { to } => return self.transfer(to).await,
            }
            .map(|()| self.me.node)
        });
        tokio::time::timeout_at(until.into(), work)
            .await
            .unwrap_or_else(|_| {
                Err(NotMade::Retry(
                    "no majority confirmed it in time".to_owned(),
                ))
            })
    }

    /// Gives a new node its place, and remembers where a moved one is. Safe to repeat.
    pub(crate) async fn admit(&self, node_id: u64, peer: Peer) -> Result<u64, NotMade> {
        let metrics = self.leading()?;
        let lives = lives(&metrics, node_id);
        if let Some((id, known)) = lives
            .iter()
            .find(|(_, known)| known.incarnation == peer.incarnation)
        {
            let moved =
                known.peer_address != peer.peer_address || known.grpc_address != peer.grpc_address;
            if moved {
                let peer = Peer {
                    learner: known.learner,
                    ..peer
                };
                self.channels.locate(*id, &peer.peer_address);
                self.submit(ChangeMembers::SetNodes(BTreeMap::from([(*id, peer)])))
                    .await?;
            }
            return Ok(id.epoch);
        }
        let silence = self.timing.election_max;
        if let Some((id, _)) = lives
            .iter()
            .find(|(id, _)| *id == self.me || heard_within(&metrics, *id, silence))
        {
            return Err(NotMade::Unsafe(format!(
                "node {node_id} is a living member ({id}) with another data directory"
            )));
        }
        // The index of an entry of its own: no member ever had this epoch, nor will another.
        let marker = Box::pin(self.raft.write_blank()).await.map_err(not_made)?;
        let id = PeerId {
            node: node_id,
            epoch: marker.log_id.index(),
        };
        tracing::info!(member = %id, address = %peer.peer_address, "adding a member");
        Box::pin(self.raft.add_learner(id, peer, false))
            .await
            .map_err(not_made)?;
        Ok(id.epoch)
    }

    /// The metrics, when this node leads.
    fn leading(&self) -> Result<Metrics, NotMade> {
        let metrics = self.raft_metrics();
        if metrics.current_leader == Some(self.me) {
            Ok(metrics)
        } else {
            Err(NotMade::Retry("this node does not lead".to_owned()))
        }
    }

    async fn submit(&self, change: ChangeMembers<PeerId, Peer>) -> Result<(), NotMade> {
        // The removed ones are gone, not learners.
        Box::pin(self.raft.change_membership(change, false))
            .await
            .map(|_| ())
            .map_err(not_made)
    }

    async fn add_learner(&self, member: Member) -> Result<(), NotMade> {
        let node_id = member.node_id;
        let mut client = self
            .channels
            .client(&member.peer_address, Lane::Request)
            .map_err(NotMade::Unsafe)?;
        let info = tokio::time::timeout(CALL, client.info(wire::InfoRequest {}))
            .await
            .map_err(|_| NotMade::Retry(format!("{} does not answer", member.peer_address)))?
            .map_err(|status| {
                NotMade::Retry(format!("{}: {}", member.peer_address, describe(&status)))
            })?
            .into_inner();
        if info.node_id != node_id {
            return Err(NotMade::Unsafe(format!(
                "expected node {node_id} at {}, found node {}",
                member.peer_address, info.node_id
            )));
        }
        if !info.cluster_id.is_empty() && info.cluster_id != self.cluster_id {
            return Err(NotMade::Unsafe(format!(
                "node {node_id} belongs to another cluster, {}",
                info.cluster_id
            )));
        }
        let epoch = self
            .admit(
                node_id,
                Peer {
                    peer_address: member.peer_address,
                    grpc_address: member.grpc_address,
                    incarnation: info.incarnation.clone(),
                    learner: true,
                },
            )
            .await?;
        if info.cluster_id.is_empty() {
            let adopt = wire::AdoptRequest {
                node_id,
                incarnation: info.incarnation,
                cluster_id: self.cluster_id.clone(),
                epoch,
            };
            tokio::time::timeout(CALL, client.adopt(adopt))
                .await
                .map_err(|_| NotMade::Retry(format!("node {node_id} does not answer")))?
                .map_err(|status| NotMade::Retry(describe(&status).to_string()))?;
        }
        let id = PeerId {
            node: node_id,
            epoch,
        };
        loop {
            let metrics = self.leading()?;
            if caught_up(&metrics, id) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn promote(&self, node_id: u64) -> Result<(), NotMade> {
        let metrics = self.leading()?;
        let Some((id, _)) = lives(&metrics, node_id).into_iter().next_back() else {
            return Err(NotMade::NotAMember(node_id));
        };
        if voters(&metrics).contains(&id) {
            return Ok(());
        }
        if !caught_up(&metrics, id) {
            return Err(NotMade::Retry(format!(
                "node {node_id} has not caught up yet"
            )));
        }
        self.replace(&metrics, id).await
    }

    /// Makes `id` a voter, in one step with the removal of what it was before its disk was lost.
    async fn replace(&self, metrics: &Metrics, id: PeerId) -> Result<(), NotMade> {
        let voters = voters(metrics);
        let stale: BTreeSet<PeerId> = lives(metrics, id.node)
            .into_iter()
            .map(|(life, _)| life)
            .filter(|life| *life != id)
            .collect();
        let stale_voters: BTreeSet<PeerId> = stale.intersection(&voters).copied().collect();
        let stale_learners: BTreeSet<PeerId> = stale.difference(&voters).copied().collect();
        tracing::info!(member = %id, replaces = ?stale, "a learner becomes a voter");
        let mut changes = vec![ChangeMembers::AddVoterIds(BTreeSet::from([id]))];
        if !stale_voters.is_empty() {
            changes.push(ChangeMembers::RemoveVoters(stale_voters));
        }
        self.submit(ChangeMembers::Batch(changes)).await?;
        if !stale_learners.is_empty() {
            self.submit(ChangeMembers::RemoveNodes(stale_learners))
                .await?;
        }
        Ok(())
    }

    async fn remove(&self, node_id: u64, force: bool) -> Result<(), NotMade> {
        let metrics = self.leading()?;
        let gone: BTreeSet<PeerId> = lives(&metrics, node_id)
            .into_iter()
            .map(|(id, _)| id)
            .collect();
        if gone.is_empty() {
            return Err(NotMade::NotAMember(node_id));
        }
        let voters = voters(&metrics);
        let gone_voters: BTreeSet<PeerId> = gone.intersection(&voters).copied().collect();
        let rest: BTreeSet<PeerId> = voters.difference(&gone).copied().collect();
        if rest.is_empty() {
            return Err(NotMade::Unsafe(format!("node {node_id} is the only voter")));
        }
        let mut reachable = 0;
        for id in &rest {
            let peer = metrics.membership_config.get_node(id);
            if *id == self.me || self.answers(peer).await {
                reachable += 1;
            }
        }
        if !force && !gone_voters.is_empty() && reachable <= rest.len() / 2 {
            return Err(NotMade::Unsafe(format!(
                "without node {node_id} only {reachable} of {} voters would be reachable",
                rest.len()
            )));
        }
        if gone.contains(&self.me) {
            // The next leader makes the change.
            self.transfer(None).await?;
            return Err(NotMade::Retry(
                "leadership was handed over first".to_owned(),
            ));
        }
        tracing::info!(node_id, "removing a member");
        if !gone_voters.is_empty() {
            self.submit(ChangeMembers::RemoveVoters(gone_voters.clone()))
                .await?;
        }
        let learners: BTreeSet<PeerId> = gone.difference(&gone_voters).copied().collect();
        if !learners.is_empty() {
            self.submit(ChangeMembers::RemoveNodes(learners)).await?;
        }
        Ok(())
    }

    /// Whether a member runs, asked now: what the last heartbeat said may be a second old.
    async fn answers(&self, peer: Option<&Peer>) -> bool {
        let Some(mut client) = peer.and_then(|peer| self.client(peer).ok()) else {
            return false;
        };
        let info = tokio::time::timeout(CALL, client.info(wire::InfoRequest {})).await;
        matches!(info, Ok(Ok(info)) if info.get_ref().cluster_id == self.cluster_id)
    }
}

/// What a node says of itself to be added.
pub(crate) fn join_request(node_id: u64, peer: &Peer, cluster_id: &str) -> wire::JoinRequest {
    wire::JoinRequest {
        node_id,
        peer_address: peer.peer_address.clone(),
        grpc_address: peer.grpc_address.clone(),
        incarnation: peer.incarnation.clone(),
        learner: peer.learner,
        cluster_id: cluster_id.to_owned(),
        forwarded: false,
    }
}

/// Everything that a node was and is, oldest first.
fn lives(metrics: &Metrics, node_id: u64) -> Vec<(PeerId, Peer)> {
    metrics
        .membership_config
        .nodes()
        .filter(|(id, _)| id.node == node_id)
        .map(|(id, peer)| (*id, peer.clone()))
        .collect()
}

fn voters(metrics: &Metrics) -> BTreeSet<PeerId> {
    metrics.membership_config.voter_ids().collect()
}

/// Whether a member holds nearly everything, as its leader knows.
fn caught_up(metrics: &Metrics, id: PeerId) -> bool {
    let matched = metrics
        .replication
        .as_ref()
        .and_then(|all| all.get(&id))
        .and_then(Option::as_ref);
    matched.is_some_and(|matched| matched.index() + NEARLY >= metrics.last_log_index.unwrap_or(0))
}

fn not_made(error: RaftError<TypeConfig, ClientWriteError<TypeConfig>>) -> NotMade {
    match error {
        RaftError::APIError(ClientWriteError::ChangeMembershipError(
            error @ (ChangeMembershipError::EmptyMembership(_)
            | ChangeMembershipError::LearnerNotFound(_)),
        )) => NotMade::Unsafe(error.to_string()),
        error => NotMade::Retry(error.to_string()),
    }
}
