//! Handing leadership to another voter.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::{NotMade, voters};
use crate::node::{Node, heard_within};
use crate::types::{Metrics, PeerId};

impl Node {
    /// Returns the leader after it.
    pub(super) async fn transfer(&self, to: Option<u64>) -> Result<u64, NotMade> {
        let metrics = self.leading()?;
        let voters = voters(&metrics);
        let target = match to {
            Some(node_id) => voters
                .iter()
                .find(|id| id.node == node_id)
                .copied()
                .ok_or(NotMade::NotAMember(node_id))?,
            None => furthest(&metrics, &voters, self.me)
                .ok_or_else(|| NotMade::Unsafe("there is no other voter".to_owned()))?,
        };
        if target == self.me {
            return Ok(self.me.node);
        }
        if !heard_within(&metrics, target, self.timing.election_max) {
            return Err(NotMade::Unsafe(format!(
                "node {} does not answer",
                target.node
            )));
        }
        self.raft
            .trigger()
            .transfer_leader(target)
            .await
            .map_err(|error| NotMade::Retry(error.to_string()))?;
        let until = Instant::now() + self.timing.election_max;
        while Instant::now() < until {
            if self.raft_metrics().current_leader == Some(target) {
                return Ok(target.node);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Err(NotMade::Retry(format!(
            "node {} did not take over in time",
            target.node
        )))
    }
}

/// The voter, other than `me`, that holds most.
fn furthest(metrics: &Metrics, voters: &BTreeSet<PeerId>, me: PeerId) -> Option<PeerId> {
    let matched = |id: &PeerId| metrics.replication.as_ref()?.get(id)?.map(|id| id.index());
    voters
        .iter()
        .filter(|id| **id != me)
        .max_by_key(|id| matched(id))
        .copied()
}
