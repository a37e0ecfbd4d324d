//! One stream to one agent: wakes on new revisions, sends one response at a time, and hears what
//! became of it.

mod hearing;
mod limits;
mod sending;

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tonic::{Status, Streaming};
use weir_model::Revision;
use weir_proto::sync::{StreamRequest, stream_request};

use super::codec::Frame;
use super::feed::Feed;
use super::fleet::{Identity, Ticket};
use super::server::Server;
use super::subscription::{Position, Subscription};
use crate::Shared;
use sending::{Progress, Stage, advance};

/// Where the responses of a stream go.
pub(in crate::sync) type Outbound = mpsc::Sender<Result<Frame, Status>>;

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
        session
            .server
            .health
            .forget(&session.identity, session.ticket);
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
}

/// The next step of the endpoint sets; never without any.
async fn feed(feed: Option<&mut Feed>, outbound: &Outbound) -> Result<(), ()> {
    match feed {
        Some(feed) => feed.step(outbound).await,
        None => std::future::pending().await,
    }
}
