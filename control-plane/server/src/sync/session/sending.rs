//! The one response of a stream: computed, admitted, handed over chunk by chunk.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::SendError;
use tokio::time::Instant;
use tonic::Status;
use weir_model::Revision;
use weir_store::State;

use super::{Outbound, Session};
use crate::sync::codec::Frame;
use crate::sync::encode::Encoded;
use crate::sync::pace::Admission;
use crate::sync::server::Server;
use crate::sync::subscription::{Plan, plan};

/// Where the one response of a stream is.
pub(super) enum Stage {
    /// There is none.
    Idle,
    /// It is being computed or waits for admission.
    Preparing(BoxFuture<'static, Option<Prepared>>),
    /// Its chunks from `next` on are not handed over yet.
    Sending {
        prepared: Prepared,
        next: usize,
        nonce: Arc<str>,
        since: Instant,
    },
    /// The agent has not answered yet.
    Awaiting {
        state: Arc<State>,
        nonce: Arc<str>,
        since: Instant,
    },
}

/// A response and the state that it leads to.
pub(super) struct Prepared {
    encoded: Arc<Encoded>,
    state: Arc<State>,
    /// Held until the last chunk is handed over.
    _admission: Option<Admission>,
}

pub(super) enum Progress<'a> {
    Prepared(Option<Prepared>),
    Room(Result<mpsc::Permit<'a, Result<Frame, Status>>, SendError<()>>),
}

impl Session {
    /// Decides what to send next and starts to prepare it.
    pub(super) fn begin(&self, state: &Arc<State>) -> Stage {
        let patient = self.began.elapsed() < self.server.settings.catch_up;
        let rebase = self
            .rebase_above
            .is_some_and(|above| state.set.revision > above);
        let full = match plan(&self.position, state, patient) {
            Plan::Wait => return Stage::Idle,
            Plan::Current if !rebase => return Stage::Idle,
            Plan::Delta => rebase,
            Plan::Current | Plan::Full => true,
        };
        let server = Arc::clone(&self.server);
        let (state, from) = (Arc::clone(state), self.position.revision);
        Stage::Preparing(prepare(server, state, from, full).boxed())
    }

    pub(super) fn prepared(&mut self, prepared: Option<Prepared>) {
        self.stage = match prepared {
            None => Stage::Idle,
            Some(prepared) => {
                self.responses += 1;
                let counters = &self.server.counters;
                if prepared.encoded.full {
                    self.rebase_above = None;
                    counters.full_sets.inc();
                } else {
                    counters.deltas.inc();
                }
                Stage::Sending {
                    prepared,
                    next: 0,
                    nonce: format!("{}-{}", self.name, self.responses).into(),
                    since: Instant::now(),
                }
            }
        };
    }

    pub(super) fn send(&mut self, room: mpsc::Permit<'_, Result<Frame, Status>>) {
        let Stage::Sending {
            prepared,
            next,
            nonce,
            since,
        } = &mut self.stage
        else {
            return;
        };
        if let Some(chunk) = prepared.encoded.chunks.get(*next) {
            self.server.counters.bytes.inc_by(chunk.len() as u64);
            room.send(Ok(Frame {
                nonce: Some(Arc::clone(nonce)),
                chunk: chunk.clone(),
            }));
            *next += 1;
            *since = Instant::now();
        }
        if *next >= prepared.encoded.chunks.len() {
            self.stage = Stage::Awaiting {
                state: Arc::clone(&prepared.state),
                nonce: Arc::clone(nonce),
                since: Instant::now(),
            };
        }
    }
}

/// Waits for the next thing that the response needs. Nothing is lost when it is dropped.
pub(super) async fn advance<'a>(stage: &mut Stage, outbound: &'a Outbound) -> Progress<'a> {
    match stage {
        Stage::Idle | Stage::Awaiting { .. } => std::future::pending().await,
        Stage::Preparing(work) => Progress::Prepared(work.await),
        Stage::Sending { .. } => Progress::Room(outbound.reserve().await),
    }
}

/// Computes a response; `None` when there is nothing to send any more.
async fn prepare(
    server: Arc<Server>,
    state: Arc<State>,
    from: Revision,
    full: bool,
) -> Option<Prepared> {
    if !full && let Some(encoded) = server.encoder.delta(&state, from).await {
        return Some(Prepared {
            encoded,
            state,
            _admission: None,
        });
    }
    let admission = server.pace.admit().await;
    // It may have waited long.
    let state = server.raft.stale();
    Some(Prepared {
        encoded: server.encoder.full(&state).await?,
        state,
        _admission: Some(admission),
    })
}
