//! Looks after a running member: says when it loses its majority, finds out when the others have
//! removed it, and ends it when consensus itself has failed.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::errors::Fatal;
use weir_proto::raft as wire;

use crate::node::Node;
use crate::types::{Peer, PeerId};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(250);
/// How long another member may take to answer.
const CALL: Duration = Duration::from_secs(2);
/// Between two rounds of questions.
const ASK: u32 = 4;

/// Runs until the node stops or has failed.
pub(crate) async fn run(node: Arc<Node>) {
    let mut looks = 0_u32;
    let mut lost = false;
    loop {
        tokio::select! {
            () = node.stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        if let Some(reason) = stopped(&node) {
            node.fail(format!("consensus has stopped: {reason}"));
            return;
        }
        let silent = node.is_lost();
        if silent != lost {
            lost = silent;
            if lost {
                tracing::warn!(member = %node.me, "no majority was heard for {:?}", node.silence());
            } else {
                tracing::info!(member = %node.me, "the majority is back");
            }
        }
        looks = if lost { looks.wrapping_add(1) } else { 0 };
        if lost && looks % ASK == 1 {
            let removed = tokio::select! {
                () = node.stop.cancelled() => return,
                removed = removed(&node) => removed,
            };
            if removed {
                node.fail(format!(
                    "node {} was removed from its cluster: to add it again, start it with --join \
                     on an empty data directory",
                    node.me.node
                ));
                return;
            }
        }
    }
}

/// Why openraft does not run any more, when nobody asked it to end.
fn stopped(node: &Node) -> Option<String> {
    let metrics = node.raft.metrics();
    let metrics = metrics.borrow_watched();
    match &metrics.running_state {
        Ok(()) => None,
        Err(Fatal::Stopped) if node.stop.is_cancelled() => None,
        Err(fatal) => Some(fatal.to_string()),
    }
}

/// Whether another member knows a later membership, without this node.
async fn removed(node: &Node) -> bool {
    let metrics = node.raft_metrics();
    let membership = &metrics.membership_config;
    if membership.get_node(&node.me).is_none() {
        // It has not heard of itself yet: the others may not either.
        return false;
    }
    let known = membership.log_id().as_ref().map_or(0, |id| id.index());
    let others: Vec<Peer> = membership
        .nodes()
        .filter(|(id, _)| **id != node.me)
        .map(|(_, peer)| peer.clone())
        .collect();
    let asking = others.iter().map(|peer| async {
        let mut client = node.client(peer).ok()?;
        let info = tokio::time::timeout(CALL, client.info(wire::InfoRequest {})).await;
        Some(info.ok()?.ok()?.into_inner())
    });
    let answers = join_all(asking).await;
    answers
        .iter()
        .flatten()
        .any(|info| info.cluster_id == node.cluster_id && leaves_out(info, node.me, known))
}

/// Whether a member says that `me`, whose newest membership is of entry `known`, is none any more.
fn leaves_out(info: &wire::InfoResponse, me: PeerId, known: u64) -> bool {
    info.membership_index > known
        && !info.members.is_empty()
        && !info.members.contains(&me.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_later_membership_removes() {
        let me = PeerId { node: 2, epoch: 7 };
        let info = |membership_index, members: &[&str]| wire::InfoResponse {
            membership_index,
            members: members.iter().map(|id| (*id).to_owned()).collect(),
            ..Default::default()
        };
        assert!(leaves_out(&info(9, &["1.0", "3.5"]), me, 8));
        // Another life of the same node.
        assert!(leaves_out(&info(9, &["1.0", "2.9"]), me, 8));
        assert!(!leaves_out(&info(9, &["1.0", "2.7"]), me, 8));
        assert!(!leaves_out(&info(8, &["1.0", "3.5"]), me, 8));
        // A release that does not tell.
        assert!(!leaves_out(&info(9, &[]), me, 8));
    }
}
