//! One running member: what its parts share.

use std::sync::Arc;
use std::time::{Duration, Instant};

use openraft::async_runtime::watch::WatchReceiver;
use openraft::{LogIdOptionExt, ServerState};
use tokio::sync::{Mutex, mpsc, watch};
use tokio_util::sync::CancellationToken;
use weir_store::State;

use crate::contact::Contact;
use crate::log_store::LogStore;
use crate::metrics::Metrics;
use crate::network::channels::{Channels, Client, Lane};
use crate::options::Timing;
use crate::read::Waiter;
use crate::state_machine::Publisher;
use crate::status::{Member, Role, Status};
use crate::types::{Metrics as RaftMetrics, Peer, PeerId, Raft};

/// A member of a cluster.
pub(crate) struct Node {
    pub(crate) raft: Raft,
    pub(crate) me: PeerId,
    /// This node as it wants to be known.
    pub(crate) peer: Peer,
    pub(crate) cluster_id: String,
    pub(crate) log_store: LogStore,
    pub(crate) publisher: Publisher,
    pub(crate) channels: Channels,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) timing: Timing,
    /// How long a write or a read is tried.
    pub(crate) deadline: Duration,
    /// Reads that wait for the next confirmation by a leader.
    pub(crate) readers: mpsc::Sender<Waiter>,
    /// One change of membership at a time.
    pub(crate) membership: Mutex<()>,
    pub(crate) stop: CancellationToken,
    /// The last sign of a working majority.
    pub(crate) contact: Contact,
    /// Why this node cannot go on, when it cannot.
    pub(crate) failure: watch::Sender<Option<String>>,
}

/// Who leads, as far as this node knows.
pub(crate) enum Leader {
    /// This node.
    Me,
    /// Another one.
    Other(PeerId, Peer),
    /// Nobody, or nobody is known.
    Unknown,
}

impl Node {
    pub(crate) fn raft_metrics(&self) -> RaftMetrics {
        self.raft.metrics().borrow_watched().clone()
    }

    pub(crate) fn leader(&self) -> Leader {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        match metrics.current_leader {
            Some(leader) if leader == self.me => Leader::Me,
            Some(leader) => match metrics.membership_config.get_node(&leader) {
                Some(peer) => Leader::Other(leader, peer.clone()),
                None => Leader::Unknown,
            },
            None => Leader::Unknown,
        }
    }

    /// How long this node has been without a working majority, as far as it can tell: a leader from
    /// the last answer of a majority, others from the last message of a leader.
    pub(crate) fn silence(&self) -> Duration {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        if metrics.current_leader != Some(self.me) {
            return self.contact.age();
        }
        self.contact.elected(metrics.current_term);
        let mut voters = metrics.membership_config.voter_ids();
        if voters.next() == Some(self.me) && voters.next().is_none() {
            return Duration::ZERO;
        }
        let acked = metrics.last_quorum_acked.as_ref();
        let acked = acked.map(|at| openraft::Instant::elapsed(&**at));
        let age = self.contact.age();
        acked.map_or(age, |acked| acked.min(age))
    }

    /// Whether the majority has been silent for so long that whom this node knows as the leader
    /// may be none any more.
    pub(crate) fn is_lost(&self) -> bool {
        self.silence() > self.timing.election_max * 3
    }

    /// This node cannot go on; the first reason counts.
    pub(crate) fn fail(&self, reason: String) {
        tracing::error!(member = %self.me, reason, "this node cannot go on");
        self.failure.send_if_modified(|failure| {
            let first = failure.is_none();
            if first {
                *failure = Some(reason);
            }
            first
        });
    }

    /// A client for what callers wait for.
    pub(crate) fn client(&self, peer: &Peer) -> Result<Client, String> {
        self.channels.client(&peer.peer_address, Lane::Request)
    }

    pub(crate) fn state(&self) -> Arc<State> {
        Arc::clone(&self.publisher.state.borrow())
    }

    /// Waits a moment for another leader. Returns false when `until` would pass.
    pub(crate) async fn pause(&self, until: Instant) -> bool {
        const PAUSE: Duration = Duration::from_millis(25);
        if Instant::now() + PAUSE >= until {
            return false;
        }
        tokio::select! {
            () = self.stop.cancelled() => false,
            () = tokio::time::sleep(PAUSE) => true,
        }
    }

    pub(crate) fn status(&self) -> Status {
        let metrics = self.raft_metrics();
        let membership = metrics.membership_config.membership();
        let voters: Vec<PeerId> = membership.voter_ids().collect();
        let mut members: Vec<Member> = Vec::new();
        // Ordered by node, then epoch: of two lives of one node the newer one is shown.
        for (id, peer) in membership.nodes() {
            let replicated = metrics.replication.as_ref().and_then(|all| all.get(id));
            let matched = match replicated {
                Some(matched) => matched.as_ref().map_or(0, |id| id.index()),
                None if *id == self.me => metrics.last_log_index.unwrap_or(0),
                None => 0,
            };
            let member = Member {
                node_id: id.node,
                peer_address: peer.peer_address.clone(),
                grpc_address: peer.grpc_address.clone(),
                voter: voters.contains(id),
                matched,
            };
            match members.last_mut().filter(|last| last.node_id == id.node) {
                Some(older) => *older = member,
                None => members.push(member),
            }
        }
        if !members.iter().any(|member| member.node_id == self.me.node) {
            members.push(Member {
                node_id: self.me.node,
                peer_address: self.peer.peer_address.clone(),
                grpc_address: self.peer.grpc_address.clone(),
                voter: false,
                matched: 0,
            });
            members.sort_by_key(|member| member.node_id);
        }
        Status {
            node_id: self.me.node,
            role: role(&metrics, self.me),
            leader_id: metrics
                .current_leader
                .filter(|_| !self.is_lost())
                .map(|leader| leader.node),
            term: metrics.current_term,
            last_log: metrics.last_log_index.unwrap_or(0),
            committed: metrics.local_committed.index().unwrap_or(0),
            applied: self.publisher.applied.borrow().index,
            purged: metrics.purged.index().unwrap_or(0),
            members,
            cluster_id: self.cluster_id.clone(),
        }
    }
}

fn role(metrics: &RaftMetrics, me: PeerId) -> Role {
    match metrics.state {
        ServerState::Leader => Role::Leader,
        ServerState::Follower => Role::Follower,
        ServerState::Candidate => Role::Candidate,
        ServerState::Learner if metrics.membership_config.get_node(&me).is_some() => Role::Learner,
        ServerState::Learner | ServerState::Shutdown => Role::Standby,
    }
}

/// Whether a member answered lately, as its leader knows.
pub(crate) fn heard_within(metrics: &RaftMetrics, id: PeerId, age: Duration) -> bool {
    metrics
        .heartbeat
        .as_ref()
        .and_then(|all| all.get(&id))
        .and_then(Option::as_ref)
        .is_some_and(|at| openraft::Instant::elapsed(&**at) <= age)
}
