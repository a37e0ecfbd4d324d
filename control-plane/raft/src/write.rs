//! Writes: proposed here or sent to the leader, tried again only while nothing was proposed.

use std::time::{Duration, Instant};

use openraft::errors::{ClientWriteError, Fatal, RaftError};
use weir_proto::raft as wire;
use weir_proto::raft::forward_response::Result as Forwarded;
use weir_store::{Command, Outcome};

use crate::error::WriteError;
use crate::network::channels::never_sent;
use crate::network::{COMMAND_BYTES, decode, describe, encode, encoded_len, header};
use crate::node::{Leader, Node};
use crate::types::{Peer, PeerId, Request};

/// What became of one attempt.
#[derive(Debug)]
pub(crate) enum Attempt {
    Done(Outcome),
    /// Nothing was proposed: another attempt is safe.
    NotProposed(String),
    /// It may be committed now or later.
    Unknown(String),
    /// The disk is full.
    Storage(String),
}

impl Node {
    /// See [`crate::Handle::write`].
    pub(crate) async fn write(&self, command: Command) -> Result<Outcome, WriteError> {
        self.metrics.proposed();
        let bytes = encoded_len(&command);
        let result = if bytes > COMMAND_BYTES {
            let limit = COMMAND_BYTES;
            Err(WriteError::TooLarge { bytes, limit })
        } else {
            self.attempts(command).await
        };
        if result.is_err() {
            self.metrics.failed();
        }
        result
    }

    async fn attempts(&self, command: Command) -> Result<Outcome, WriteError> {
        let started = Instant::now();
        let until = started + self.deadline;
        loop {
            if self.stop.is_cancelled() {
                return Err(WriteError::Shutdown);
            }
            let attempt = match self.leader() {
                Leader::Me => self.propose(command.clone(), until).await,
                Leader::Other(id, peer) => self.forward(id, &peer, &command, until).await,
                Leader::Unknown => Attempt::NotProposed("no leader is known".to_owned()),
            };
            let reason = match attempt {
                Attempt::Done(outcome) => return Ok(outcome),
                Attempt::Unknown(reason) => return Err(WriteError::Unknown(reason)),
                Attempt::Storage(reason) => return Err(WriteError::Storage(reason)),
                Attempt::NotProposed(reason) => reason,
            };
            if !self.pause(until).await && !self.stop.is_cancelled() {
                let waited_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
                return Err(WriteError::Unavailable { waited_ms, reason });
            }
        }
    }

    /// Proposes on this node, which should lead.
    pub(crate) async fn propose(&self, command: Command, until: Instant) -> Attempt {
        if self.metrics.disk_full() {
            return Attempt::Storage("the disk of the leader is full".to_owned());
        }
        let silence = self.silence();
        if silence > self.timing.election_max {
            // What is proposed now could be thrown away by the leader of a majority elsewhere.
            return Attempt::NotProposed(format!(
                "the leader has heard no majority for {} ms",
                silence.as_millis()
            ));
        }
        let write = Box::pin(self.raft.client_write(Request(command)));
        let answer = match tokio::time::timeout_at(until.into(), write).await {
            Ok(answer) => answer,
            Err(_) => {
                return Attempt::Unknown("no majority confirmed it in time".to_owned());
            }
        };
        match answer {
            Ok(response) => match response.data {
                Some(outcome) => Attempt::Done(outcome),
                None => Attempt::Unknown("the state machine gave no answer".to_owned()),
            },
            Err(RaftError::APIError(ClientWriteError::LogEntryDiscarded(_))) => {
                Attempt::Unknown("the leader was replaced before it confirmed".to_owned())
            }
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(_))) => {
                Attempt::NotProposed("this node does not lead".to_owned())
            }
            Err(RaftError::APIError(error)) => Attempt::NotProposed(error.to_string()),
            Err(RaftError::Fatal(Fatal::StorageError(error))) => {
                Attempt::Unknown(format!("storage of the leader failed: {error}"))
            }
            Err(RaftError::Fatal(error)) => Attempt::Unknown(error.to_string()),
        }
    }

    async fn forward(
        &self,
        leader: PeerId,
        peer: &Peer,
        command: &Command,
        until: Instant,
    ) -> Attempt {
        /// Time for the answer to travel, after the leader gave up.
        const TRAVEL: Duration = Duration::from_millis(250);
        self.metrics.forwarded();
        let (mut client, command) = match (self.client(peer), encode(command)) {
            (Ok(client), Ok(command)) => (client, command),
            (Err(reason), _) => return Attempt::NotProposed(reason),
            (_, Err(status)) => return Attempt::NotProposed(describe(&status).to_string()),
        };
        let left = until.saturating_duration_since(Instant::now());
        let request = wire::ForwardRequest {
            header: header(&self.cluster_id, leader),
            command,
            timeout_ms: u64::try_from(left.as_millis()).unwrap_or(u64::MAX),
        };
        let answer = match tokio::time::timeout(left + TRAVEL, client.forward(request)).await {
            Ok(Ok(answer)) => answer.into_inner().result,
            Ok(Err(status)) => {
                let reason = format!("leader {leader}: {}", describe(&status));
                // A member that refuses by precondition has not looked at the command.
                let refused = status.code() == tonic::Code::FailedPrecondition;
                return if refused || never_sent(&status) {
                    Attempt::NotProposed(reason)
                } else {
                    Attempt::Unknown(reason)
                };
            }
            Err(_) => return Attempt::Unknown(format!("leader {leader} did not answer in time")),
        };
        match answer {
            Some(Forwarded::Outcome(bytes)) => match decode("outcome", &bytes) {
                Ok(outcome) => Attempt::Done(outcome),
                Err(status) => Attempt::Unknown(describe(&status).to_string()),
            },
            Some(Forwarded::NotProposed(reason)) => Attempt::NotProposed(reason),
            Some(Forwarded::Storage(reason)) => Attempt::Storage(reason),
            Some(Forwarded::Unknown(reason)) => Attempt::Unknown(reason),
            None => Attempt::Unknown(format!("leader {leader} gave no result")),
        }
    }
}
