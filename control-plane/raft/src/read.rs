//! Linearizable reads: a leader confirms that it still leads, then this node waits until it has
//! applied what was committed then. Reads that come while a confirmation runs share the next one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use openraft::ReadPolicy;
use openraft::errors::{LinearizableReadError, RaftError};
use tokio::sync::{mpsc, oneshot};
use weir_proto::raft as wire;
use weir_store::State;

use crate::error::ReadError;
use crate::network::{describe, header};
use crate::node::{Leader, Node};

/// Reads that wait at most; then callers wait before they get in line.
pub(crate) const QUEUE: usize = 4_096;
/// One attempt; a leader that needs longer is probably none.
const ATTEMPT: Duration = Duration::from_secs(1);

/// A read that waits for a confirmation.
pub(crate) struct Waiter {
    until: Instant,
    started: Instant,
    /// The index that must be applied.
    index: oneshot::Sender<Result<u64, ReadError>>,
}

impl Node {
    /// See [`crate::Handle::read`].
    pub(crate) async fn read(&self) -> Result<Arc<State>, ReadError> {
        self.metrics.read();
        let started = Instant::now();
        let until = started + self.deadline;
        let (index, confirmed) = oneshot::channel();
        let waiter = Waiter {
            until,
            started,
            index,
        };
        let index = async {
            self.readers
                .send(waiter)
                .await
                .map_err(|_| ReadError::Shutdown)?;
            confirmed.await.map_err(|_| ReadError::Shutdown)?
        };
        let index = index.await?;
        let mut applied = self.publisher.applied.subscribe();
        let caught_up = applied.wait_for(|applied| applied.index >= index);
        match tokio::time::timeout_at(until.into(), caught_up).await {
            Ok(Ok(applied)) => Ok(Arc::clone(&applied.state)),
            Ok(Err(_)) => Err(ReadError::Shutdown),
            Err(_) => Err(unavailable(
                started,
                format!("this node has not applied entry {index} yet"),
            )),
        }
    }

    /// The index that a linearizable read must have applied, when this node leads.
    pub(crate) async fn read_index_here(&self) -> Result<u64, String> {
        let confirmed = Box::pin(self.raft.get_read_linearizer(ReadPolicy::ReadIndex));
        match tokio::time::timeout(ATTEMPT, confirmed).await {
            Ok(Ok(linearizer)) => Ok(linearizer.read_log_id().index()),
            Ok(Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(_)))) => {
                Err("this node does not lead".to_owned())
            }
            Ok(Err(RaftError::APIError(LinearizableReadError::QuorumNotEnough(_)))) | Err(_) => {
                Err("no majority confirmed the leader".to_owned())
            }
            Ok(Err(RaftError::Fatal(error))) => Err(error.to_string()),
        }
    }

    async fn read_index(&self) -> Result<u64, String> {
        let (id, peer) = match self.leader() {
            Leader::Me => return self.read_index_here().await,
            Leader::Other(id, peer) => (id, peer),
            Leader::Unknown => return Err("no leader is known".to_owned()),
        };
        let mut client = self.client(&peer)?;
        let request = wire::ReadIndexRequest {
            header: header(&self.cluster_id, id),
        };
        match tokio::time::timeout(ATTEMPT, client.read_index(request)).await {
            Ok(Ok(answer)) => Ok(answer.into_inner().index),
            Ok(Err(status)) => Err(format!("leader {id}: {}", describe(&status))),
            Err(_) => Err(format!("leader {id} did not answer in time")),
        }
    }
}

fn unavailable(started: Instant, reason: String) -> ReadError {
    ReadError::Unavailable {
        waited_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        reason,
    }
}

/// Confirms reads, all that wait at once, until the node stops.
pub(crate) async fn run(node: Arc<Node>, mut queue: mpsc::Receiver<Waiter>) {
    let mut waiting: Vec<Waiter> = Vec::new();
    loop {
        if waiting.is_empty() {
            tokio::select! {
                () = node.stop.cancelled() => return,
                received = queue.recv_many(&mut waiting, QUEUE) => {
                    if received == 0 {
                        return;
                    }
                }
            }
        }
        while let Ok(waiter) = queue.try_recv() {
            waiting.push(waiter);
        }
        let confirmed = tokio::select! {
            () = node.stop.cancelled() => return,
            confirmed = node.read_index() => confirmed,
        };
        match confirmed {
            Ok(index) => {
                for waiter in waiting.drain(..) {
                    let _ = waiter.index.send(Ok(index));
                }
            }
            Err(reason) => {
                let now = Instant::now();
                let (over, left) = waiting.into_iter().partition(|waiter| waiter.until <= now);
                waiting = left;
                for waiter in Vec::<Waiter>::into_iter(over) {
                    let error = unavailable(waiter.started, reason.clone());
                    let _ = waiter.index.send(Err(error));
                }
                tokio::time::sleep(Duration::from_millis(25)).await;
            }
        }
    }
}
