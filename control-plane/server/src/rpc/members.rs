//! The other members of the cluster, asked for what only they know.

use std::future::Future;
use std::time::Duration;

use futures_util::future::join_all;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use weir_proto::cluster as wire;
use weir_raft::Status as RaftStatus;

use super::access::{Caller, KEY};

/// How long another member may take; its answer is then left out.
const DEADLINE: Duration = Duration::from_millis(1500);

/// Asks every other member; `None` for those that did not answer.
pub(super) async fn ask<T, F>(
    status: &RaftStatus,
    call: impl Fn(Channel) -> F,
) -> Vec<(u64, Option<T>)>
where
    F: Future<Output = Result<T, Status>>,
{
    let others = status
        .members
        .iter()
        .filter(|member| member.node_id != status.node_id);
    let asking = others.map(|member| {
        let call = &call;
        async move {
            let answer = tokio::time::timeout(DEADLINE, async {
                let channel = Endpoint::from_shared(format!("http://{}", member.grpc_address))
                    .ok()?
                    .connect_timeout(DEADLINE)
                    .connect()
                    .await
                    .ok()?;
                match call(channel).await {
                    Ok(answer) => Some(answer),
                    Err(status) => {
                        tracing::debug!(node_id = member.node_id, %status, "member did not answer");
                        None
                    }
                }
            });
            (member.node_id, answer.await.ok().flatten())
        }
    });
    join_all(asking).await
}

/// A request in the caller's name.
pub(super) fn in_name_of<T>(caller: &Caller, message: T) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(key) = &caller.key {
        request.metadata_mut().insert(KEY, key.clone());
    }
    request
}

/// All members, as this node and those that answered see them.
pub(super) fn describe(
    status: &RaftStatus,
    answers: &[(u64, Option<wire::StatusResponse>)],
) -> Vec<wire::Member> {
    let answer_of = |node_id: u64| {
        answers
            .iter()
            .find(|(other, _)| *other == node_id)
            .and_then(|(_, answer)| answer.as_ref())
    };
    let leader = status.leader_id.and_then(answer_of);
    let last_log = leader.map_or(status.last_log, |leader| {
        leader.last_log.max(status.last_log)
    });
    status
        .members
        .iter()
        .map(|member| {
            let own = member.node_id == status.node_id;
            let answer = answer_of(member.node_id);
            // The leader knows what everybody holds; a member itself knows it best.
            let told = leader.and_then(|leader| {
                let other = leader
                    .members
                    .iter()
                    .find(|other| other.node_id == member.node_id);
                other.map(|other| other.matched)
            });
            let (role, matched, applied) = match (own, answer) {
                (true, _) => (
                    status.role.as_str().to_owned(),
                    status.last_log,
                    status.applied,
                ),
                (false, Some(answer)) => (answer.role.clone(), answer.last_log, answer.applied),
                (false, None) => (
                    "unknown".to_owned(),
                    told.unwrap_or(0).max(member.matched),
                    0,
                ),
            };
            wire::Member {
                node_id: member.node_id,
                peer_address: member.peer_address.clone(),
                grpc_address: member.grpc_address.clone(),
                role,
                voter: member.voter,
                matched,
                applied,
                lag: last_log.saturating_sub(matched),
                reachable: own || answer.is_some(),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use weir_raft::{Member, Role};

    use super::*;

    fn member(node_id: u64) -> Member {
        Member {
            node_id,
            peer_address: String::new(),
            grpc_address: String::new(),
            voter: true,
            matched: 0,
        }
    }

    #[test]
    fn members_are_described_by_what_they_say_and_the_leader_knows() {
        let status = RaftStatus {
            node_id: 2,
            role: Role::Follower,
            leader_id: Some(1),
            term: 3,
            last_log: 90,
            committed: 90,
            applied: 90,
            purged: 0,
            members: vec![member(1), member(2), member(3)],
            cluster_id: String::new(),
        };
        let leader = wire::StatusResponse {
            role: "leader".to_owned(),
            last_log: 100,
            applied: 100,
            members: vec![wire::Member {
                node_id: 3,
                matched: 70,
                ..wire::Member::default()
            }],
            ..wire::StatusResponse::default()
        };
        let members = describe(&status, &[(1, Some(leader)), (3, None)]);
        let shown: Vec<_> = members
            .iter()
            .map(|m| (m.node_id, m.role.as_str(), m.reachable, m.matched, m.lag))
            .collect();
        assert_eq!(
            shown,
            [
                (1, "leader", true, 100, 0),
                (2, "follower", true, 90, 10),
                (3, "unknown", false, 70, 30)
            ]
        );
    }
}
