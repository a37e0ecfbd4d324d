//! One stream to one agent: wakes on new revisions, sends one response at a time, and hears what
//! became of it.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::SendError;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tonic::{Status, Streaming};
use weir_model::Revision;
use weir_proto::sync::{Acknowledge, Report, StreamRequest, StreamResponse, stream_request};
use weir_store::State;

use super::codec::Frame;
use super::encode::{Encoded, encode};
use super::feed::Feed;
use super::fleet::{Acked, Identity, Ticket};
use super::pace::Admission;
use super::server::Server;
use super::subscription::{Plan, Position, Subscription, plan};
use crate::Shared;

/// Where the responses of a stream go.
pub(super) type Outbound = mpsc::Sender<Result<Frame, Status>>;

/// Where the one response of a stream is.
enum Stage {
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
struct Prepared {
    encoded: Arc<Encoded>,
    state: Arc<State>,
    /// Held until the last chunk is handed over.
    _admission: Option<Admission>,
}

enum Progress<'a> {
    Prepared(Option<Prepared>),
    Room(Result<mpsc::Permit<'a, Result<Frame, Status>>, SendError<()>>),
}

/// The task of one stream.
pub(crate) struct Session {
    server: Arc<Server>,
    identity: Identity,
    ticket: Ticket,
    position: Position,
    stage: Stage,
    /// Makes nonces of different streams different.
    name: String,
    responses: u64,
    began: Instant,
    heard: Instant,
    /// Endpoint sets; `None` for an agent that takes none.
    feed: Option<Feed>,
    /// Send everything, whatever the position; above this revision only.
    rebase_above: Option<Revision>,
    drifted: Option<(Revision, Instant)>,
}

impl Session {
    /// Runs the stream to its end.
    pub(crate) async fn run(
        server: Arc<Server>,
        address: String,
        mut inbound: Streaming<StreamRequest>,
        outbound: Outbound,
    ) {
        server.counters.streams.inc();
        let first = timeout(server.settings.silence, inbound.message());
        let subscription = match first.await {
            Ok(Ok(Some(StreamRequest {
                message: Some(stream_request::Message::Subscribe(subscribe)),
            }))) => Subscription::new(subscribe, address),
            Ok(Ok(_)) => Err("the first message must be subscribe".to_owned()),
            Ok(Err(_)) => return,
            Err(_) => Err("no subscription in time".to_owned()),
        };
        let subscription = match subscription {
            Ok(subscription) => subscription,
            Err(problem) => {
                server.counters.dropped.inc();
                let _ = outbound.try_send(Err(Status::invalid_argument(problem)));
                return;
            }
        };
        let identity = subscription.identity;
        let ticket = server.fleet.connect(identity.clone(), Shared::now_ms());
        tracing::info!(
            agent = identity.name,
            address = identity.address,
            revision = subscription.position.revision,
            "agent connected"
        );
        let now = Instant::now();
        let name = uuid::Uuid::new_v4().simple().to_string();
        let position = subscription.position;
        let feed = subscription.endpoints.map(|named| {
            let offers = server.table.offers();
            let mut feed = Feed::new(offers, &named, name.clone(), server.settings.chunk_bytes);
            feed.positioned(&position.cluster_id, position.revision);
            feed
        });
        let mut session = Self {
            server,
            identity,
            ticket,
            position,
            stage: Stage::Idle,
            feed,
            name,
            responses: 0,
            began: now,
            heard: now,
            rebase_above: None,
            drifted: None,
        };
        let end = session.follow(&mut inbound, &outbound).await;
        session
            .server
            .fleet
            .disconnect(&session.identity, session.ticket, Shared::now_ms());
        match end {
            None => tracing::info!(agent = session.identity.name, "agent disconnected"),
            Some(status) => {
                tracing::info!(
                    agent = session.identity.name,
                    reason = status.message(),
                    "stream ended"
                );
                let _ = outbound.try_send(Err(status));
            }
        }
    }

    /// Returns why this node ends the stream; `None` when the agent did.
    async fn follow(
        &mut self,
        inbound: &mut Streaming<StreamRequest>,
        outbound: &Outbound,
    ) -> Option<Status> {
        let mut states = self.server.raft.watch();
        let shutdown = self.server.shutdown.clone();
        // The first tick is at once: it tells the agent who we are and what is newest.
        let mut heartbeat = interval(self.server.settings.heartbeat);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            if matches!(self.stage, Stage::Idle) {
                let state = Arc::clone(&states.borrow_and_update());
                self.stage = self.begin(&state);
            }
            tokio::select! {
                () = shutdown.cancelled() => {
                    return Some(Status::unavailable("this control node stops"));
                }
                () = outbound.closed() => return None,
                message = inbound.message() => match message {
                    Ok(Some(StreamRequest { message: Some(message) })) => {
                        self.heard = Instant::now();
                        self.hear(message).await;
                    }
                    Ok(Some(_)) => self.heard = Instant::now(),
                    Ok(None) | Err(_) => return None,
                },
                changed = states.changed() => if changed.is_err() {
                    return Some(Status::unavailable("this control node stops"));
                },
                _ = heartbeat.tick() => {
                    if let Some(problem) = self.overdue(Instant::now()) {
                        self.server.counters.dropped.inc();
                        return Some(problem);
                    }
                    // A stream without room is alive as it is.
                    let _ = outbound.try_send(Ok(self.heartbeat()));
                }
                fed = feed(self.feed.as_mut(), outbound) => if fed.is_err() {
                    return None;
                },
                progress = advance(&mut self.stage, outbound) => match progress {
                    Progress::Prepared(prepared) => self.prepared(prepared),
                    Progress::Room(Ok(room)) => self.send(room),
                    Progress::Room(Err(_)) => return None,
                },
            }
        }
    }

    /// Decides what to send next and starts to prepare it.
    fn begin(&self, state: &Arc<State>) -> Stage {
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

    fn prepared(&mut self, prepared: Option<Prepared>) {
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

    fn send(&mut self, room: mpsc::Permit<'_, Result<Frame, Status>>) {
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

    async fn hear(&mut self, message: stream_request::Message) {
        match message {
            stream_request::Message::Acknowledge(acknowledge) => {
                self.acknowledged(acknowledge).await;
            }
            stream_request::Message::Report(report) => self.reported(report).await,
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

    fn heartbeat(&self) -> Frame {
        let state = self.server.raft.stale();
        Frame {
            nonce: None,
            chunk: encode(&StreamResponse {
                revision: state.set.revision,
                cluster_id: state.cluster_id.clone(),
                node: self.server.node.clone(),
                heartbeat: true,
                ..StreamResponse::default()
            }),
        }
    }

    /// Which limit is over, if one is.
    fn overdue(&self, now: Instant) -> Option<Status> {
        let limits = &self.server.settings;
        let over = |since: Instant, limit| now.duration_since(since) > limit;
        let fed = self.feed.as_ref();
        if let Some(problem) = fed.and_then(|feed| feed.overdue(now, limits.acknowledge)) {
            return Some(problem);
        }
        match &self.stage {
            Stage::Sending { since, .. } if over(*since, limits.stall) => {
                Some(Status::deadline_exceeded("the agent does not read"))
            }
            Stage::Awaiting { since, .. } if over(*since, limits.acknowledge) => {
                Some(Status::deadline_exceeded("the agent does not acknowledge"))
            }
            _ if over(self.heard, limits.silence) => {
                Some(Status::deadline_exceeded("the agent is silent"))
            }
            // Not at once: what this node has may be newer than what the agent has.
            _ if over(self.began, limits.detached)
                && self.server.raft.silence() > limits.detached =>
            {
                Some(Status::unavailable("this node has lost its majority"))
            }
            Stage::Idle
                if over(self.began, limits.catch_up)
                    && self.server.raft.stale().cluster_id.is_empty() =>
            {
                Some(Status::unavailable("this node is not part of a cluster"))
            }
            _ => None,
        }
    }
}

/// The next step of the endpoint sets; never without any.
async fn feed(feed: Option<&mut Feed>, outbound: &Outbound) -> Result<(), ()> {
    match feed {
        Some(feed) => feed.step(outbound).await,
        None => std::future::pending().await,
    }
}

/// Waits for the next thing that the response needs. Nothing is lost when it is dropped.
async fn advance<'a>(stage: &mut Stage, outbound: &'a Outbound) -> Progress<'a> {
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
