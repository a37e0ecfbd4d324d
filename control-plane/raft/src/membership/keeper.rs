//! What every node does about membership by itself, round by round.

use super::{CALL, caught_up, join_request, voters};
use crate::network::describe;
use crate::node::{Leader, Node};
use crate::types::{Metrics, Peer, PeerId};

impl Node {
    /// One round of the keeper: as the leader, makes learners voters; on every node, tells the
    /// leader when this one has moved.
    pub(crate) async fn keep(&self) {
        let metrics = self.raft_metrics();
        for (id, peer) in metrics.membership_config.nodes() {
            self.channels.locate(*id, &peer.peer_address);
        }
        let known = metrics.membership_config.get_node(&self.me);
        let moved = known.is_some_and(|known| {
            known.peer_address != self.peer.peer_address
                || known.grpc_address != self.peer.grpc_address
        });
        if moved && let Err(reason) = self.tell_address(&metrics).await {
            tracing::debug!(%reason, "the new address is not known yet");
        }
        if metrics.current_leader != Some(self.me) {
            return;
        }
        let voters = voters(&metrics);
        let ready: Vec<PeerId> = metrics
            .membership_config
            .nodes()
            .filter(|(id, peer)| !peer.learner && !voters.contains(id))
            .map(|(id, _)| *id)
            .filter(|id| caught_up(&metrics, *id))
            .collect();
        for id in ready {
            let _one = self.membership.lock().await;
            let Ok(metrics) = self.leading() else { return };
            let still = metrics.membership_config.get_node(&id).is_some();
            if still && let Err(reason) = self.replace(&metrics, id).await {
                tracing::warn!(member = %id, ?reason, "a learner is not a voter yet");
            }
        }
    }

    /// Tells the leader, or whoever answers, where this node is now.
    async fn tell_address(&self, metrics: &Metrics) -> Result<(), String> {
        let others = metrics.membership_config.nodes();
        let others = others.filter(|(id, _)| **id != self.me);
        // Also when a leader is known: it may have moved as well. Any member takes it to the leader.
        let others = others.map(|(_, peer)| peer.clone());
        let peers: Vec<Peer> = match self.leader() {
            Leader::Me => {
                let _one = self.membership.lock().await;
                return self
                    .admit(self.me.node, self.peer.clone())
                    .await
                    .map(|_| ())
                    .map_err(|error| format!("{error:?}"));
            }
            Leader::Other(_, leader) => std::iter::once(leader).chain(others).collect(),
            Leader::Unknown => others.collect(),
        };
        let mut reason = "nobody to tell".to_owned();
        for peer in peers {
            let mut client = self.client(&peer)?;
            let request = join_request(self.me.node, &self.peer, &self.cluster_id);
            match tokio::time::timeout(CALL, client.join(request)).await {
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(status)) => reason = describe(&status).to_string(),
                Err(_) => reason = format!("{} does not answer", peer.peer_address),
            }
        }
        Err(reason)
    }
}
