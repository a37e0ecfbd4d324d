//! What an agent says: what became of a revision, that it lives, what it sees of its nodes.

use std::sync::Arc;

use tokio::time::Instant;
use weir_model::Revision;
use weir_proto::health;
use weir_proto::sync::{Acknowledge, Report, stream_request};
use weir_store::State;

use super::Session;
use super::sending::Stage;
use crate::Shared;
use crate::sync::fleet::Acked;
use crate::sync::subscription::Position;

impl Session {
    pub(super) async fn hear(&mut self, message: stream_request::Message) {
        match message {
            stream_request::Message::Acknowledge(acknowledge) => {
                self.acknowledged(acknowledge).await;
            }
            stream_request::Message::Report(report) => self.reported(report).await,
            stream_request::Message::Health(report) => self.saw(report),
            // Only the first one counts.
            stream_request::Message::Subscribe(_) => {}
        }
    }

    async fn acknowledged(&mut self, acknowledge: Acknowledge) {
        let fed = self.feed.as_mut();
        if fed.is_some_and(|feed| feed.acknowledged(&acknowledge.nonce)) {
            return;
        }
        let state = match &self.stage {
            Stage::Awaiting { state, nonce, .. }
                if **nonce == *acknowledge.nonce && state.set.revision == acknowledge.revision =>
            {
                Arc::clone(state)
            }
            _ => {
                self.server.counters.wrong_nonces.inc();
                return;
            }
        };
        self.stage = Stage::Idle;
        self.position = Position {
            cluster_id: state.cluster_id.clone(),
            revision: acknowledge.revision,
        };
        if let Some(feed) = &mut self.feed {
            feed.positioned(&state.cluster_id, acknowledge.revision);
        }
        let nack = !acknowledge.refused.is_empty();
        if nack {
            self.server.counters.nacks.inc();
            tracing::warn!(
                agent = self.identity.name,
                revision = acknowledge.revision,
                refused = acknowledge.refused.len(),
                "agent refused resources"
            );
        }
        let hash = acknowledge.content_hash.clone();
        let acked = Acked {
            revision: acknowledge.revision,
            content_hash: acknowledge.content_hash,
            refused: acknowledge.refused,
            pending: acknowledge.pending,
        };
        let fleet = &self.server.fleet;
        fleet.acknowledge(&self.identity, self.ticket, acked, Shared::now_ms());
        // After a NACK the same revision must not be sent again: only a later one rebases.
        let above = if nack { state.set.revision } else { 0 };
        self.compare(&state, &hash, above).await;
    }

    async fn reported(&mut self, report: Report) {
        let (revision, hash) = (report.revision, &report.content_hash);
        let fleet = &self.server.fleet;
        fleet.touch(
            &self.identity,
            self.ticket,
            revision,
            hash,
            Shared::now_ms(),
        );
        let state = self.server.raft.stale();
        let comparable = matches!(self.stage, Stage::Idle)
            && self.position.cluster_id == state.cluster_id
            && self.position.revision == revision
            && state.set.revision == revision;
        if comparable {
            self.compare(&state, hash, 0).await;
        }
    }

    /// Compares contents at one revision; `hash` may be empty. Another one means that everything
    /// is sent, above revision `above`.
    async fn compare(&mut self, state: &Arc<State>, hash: &str, above: Revision) {
        if hash.is_empty() || hash == self.server.encoder.content_hash(state).await {
            return;
        }
        let (revision, now) = (state.set.revision, Instant::now());
        let known = self.drifted.is_some_and(|(at, since)| {
            at == revision && now.duration_since(since) < self.server.settings.drift
        });
        if known {
            return;
        }
        self.drifted = Some((revision, now));
        self.server.counters.drifts.inc();
        tracing::warn!(
            agent = self.identity.name,
            revision,
            "the agent has another content than this node at the same revision; sending everything"
        );
        if above == 0 {
            // The position of an agent that has nothing.
            self.position = Position::default();
        } else {
            self.rebase_above = Some(above);
        }
    }

    /// Health that the agent sees.
    fn saw(&self, report: health::Report) {
        let told = self
            .server
            .health
            .update(&self.identity, self.ticket, report, Shared::now_ms());
        if told.left_out > 0 {
            tracing::warn!(
                agent = self.identity.name,
                upstreams = told.left_out,
                "the agent reports more health than is kept; upstreams were left out"
            );
        }
    }
}
