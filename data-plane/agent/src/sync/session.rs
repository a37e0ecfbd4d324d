//! One stream: subscribe, take responses, apply them, acknowledge.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Endpoint;
use weir_net::causes;
use weir_proto::convert::resource::problem;
use weir_proto::sync::stream_request::Message;
use weir_proto::sync::sync_service_client::SyncServiceClient;
use weir_proto::sync::{Acknowledge, Report, StreamRequest, StreamResponse, Subscribe};
use weir_proxy::runtime::Findings;
use weir_proxy::tls::tickets::Secret;

use super::endpoints;
use super::health::{self, Reporter};
use super::mirror::{Assembly, Complete, Mirror};
use crate::facts::Source;
use crate::plane::Plane;

/// From the start of the connect to the established connection.
const CONNECT: Duration = Duration::from_secs(5);
/// Longest silence of the server, whose heartbeats come every few seconds.
const SILENCE: Duration = Duration::from_secs(15);
/// Between two reports.
const REPORT: Duration = Duration::from_secs(5);
/// Requests that may wait for the connection; more would mean that it is dead.
const QUEUE: usize = 16;
/// Bytes of one chunk, at most: the server cuts at 1 MiB, a single resource may be larger.
const MAX_MESSAGE: usize = 16 << 20;

/// Problems of one kind that an acknowledgement names; the status port names all of them.
const MAX_FINDINGS: usize = 1000;

/// Who this agent is.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) name: String,
    pub(crate) region: String,
    pub(crate) group: String,
    /// Unique per process start.
    pub(crate) instance: String,
}

/// Follows the control node at `address` until the stream ends; says why it ended. Dropping the
/// future closes the stream; a revision that is being applied is still applied whole.
pub(crate) async fn run(
    address: &str,
    identity: &Identity,
    plane: &Arc<Plane>,
    mirror: &mut Mirror,
) -> String {
    match follow(address, identity, plane, mirror).await {
        Ok(()) => "the control node closed the stream".to_owned(),
        Err(reason) => reason,
    }
}

async fn follow(
    address: &str,
    identity: &Identity,
    plane: &Arc<Plane>,
    mirror: &mut Mirror,
) -> Result<(), String> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))
        .map_err(|error| format!("{address}: {error}"))?
        .connect_timeout(CONNECT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(SILENCE)
        .keep_alive_while_idle(true);
    let channel = timeout(CONNECT, endpoint.connect())
        .await
        .map_err(|_| format!("no connection within {CONNECT:?}"))?
        .map_err(|error| causes(&error))?;
    let mut client = SyncServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE);
    let (send, requests) = mpsc::channel(QUEUE);
    let say = async |message: Message| {
        let request = StreamRequest {
            message: Some(message),
        };
        send.send(request)
            .await
            .map_err(|_| "the stream is closed".to_owned())
    };
    say(Message::Subscribe(subscribe(identity, mirror))).await?;
    let answered = timeout(CONNECT, client.stream(ReceiverStream::new(requests))).await;
    let mut responses = answered
        .map_err(|_| format!("no answer within {CONNECT:?}"))?
        .map_err(|status| status_text(&status))?
        .into_inner();
    connected(plane, address);

    let mut assembly = Assembly::default();
    let mut endpoint_assembly = endpoints::Assembly::default();
    let mut report = interval_at(Instant::now() + REPORT, REPORT);
    report.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut reporter = Reporter::default();
    let mut look = interval_at(Instant::now(), health::TICK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            received = timeout(SILENCE, responses.message()) => {
                let response = received
                    .map_err(|_| format!("the control node was silent for {SILENCE:?}"))?
                    .map_err(|status| status_text(&status))?;
                let Some(response) = response else { return Ok(()) };
                if response.of_endpoints {
                    if let Some(changes) = endpoint_assembly.push(response)? {
                        let acknowledge = join(changes, plane, mirror).await?;
                        say(Message::Acknowledge(acknowledge)).await?;
                    }
                    continue;
                }
                if let Some(complete) = take(response, &mut assembly, plane)? {
                    let acknowledge = apply(complete, plane, mirror).await?;
                    say(Message::Acknowledge(acknowledge)).await?;
                }
            }
            _ = report.tick() => {
                let (revision, content_hash) = hash(plane).await?;
                let ready = plane.is_ready();
                say(Message::Report(Report { revision, content_hash, ready })).await?;
            }
            _ = look.tick() => {
                // A control node that is slow to read gets what has come together by then.
                let Ok(room) = send.try_reserve() else { continue };
                if let Some(report) = changed_health(plane, &mut reporter).await? {
                    let message = Some(Message::Health(report));
                    room.send(StreamRequest { message });
                }
            }
        }
    }
}

fn subscribe(identity: &Identity, mirror: &Mirror) -> Subscribe {
    Subscribe {
        name: identity.name.clone(),
        region: identity.region.clone(),
        group: identity.group.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        cluster_id: mirror.cluster_id.clone(),
        revision: mirror.set.revision,
        instance: identity.instance.clone(),
        takes_endpoints: true,
        endpoints: endpoints::versions(&mirror.endpoints),
    }
}

fn connected(plane: &Plane, address: &str) {
    tracing::info!("following control node {address}");
    let mut facts = plane.facts.lock();
    facts.connected = true;
    facts.control_node = Some(address.to_owned());
    facts.last_error = None;
}

/// Takes a chunk or a heartbeat.
fn take(
    response: StreamResponse,
    assembly: &mut Assembly,
    plane: &Plane,
) -> Result<Option<Complete>, String> {
    if response.heartbeat {
        share_tickets(&response, plane);
        let mut facts = plane.facts.lock();
        // A heartbeat at the agent's revision says that it is up to date, also after a restart
        // from the disk.
        if response.revision == facts.revision && response.cluster_id == facts.cluster_id {
            facts.source = Source::Stream;
        }
        facts.newest_revision = facts.newest_revision.max(response.revision);
        return Ok(None);
    }
    assembly.push(response).map_err(|error| error.to_string())
}

/// Takes what the keys of session tickets are made of.
fn share_tickets(response: &StreamResponse, plane: &Plane) {
    if let Some(tickets) = &plane.env.tls.tickets {
        let secrets = response.ticket_secrets.iter().filter_map(|told| {
            Some(Secret {
                bytes: told.secret.as_slice().try_into().ok()?,
                since: told.since,
            })
        });
        tickets.share(&secrets.collect::<Vec<_>>());
    }
}

async fn apply(
    complete: Complete,
    plane: &Arc<Plane>,
    mirror: &mut Mirror,
) -> Result<Acknowledge, String> {
    let next = mirror.after(&complete).map_err(|error| error.to_string())?;
    let (work, state) = (Arc::clone(plane), next.clone());
    // Compiling takes longer than a task may hold its thread.
    let applied = tokio::task::spawn_blocking(move || work.apply(&state, Source::Stream)).await;
    let applied = applied.map_err(|error| format!("applying failed: {error}"))?;
    *mirror = next;
    let list = |found: &Findings| {
        let found = found.iter().take(MAX_FINDINGS);
        found.map(|(key, p)| problem(Some(key), p)).collect()
    };
    Ok(Acknowledge {
        nonce: complete.nonce,
        revision: complete.delta.revision,
        refused: list(&applied.report.refused),
        pending: list(&applied.report.pending),
        content_hash: String::new(),
        apply_micros: applied.micros,
    })
}

/// Takes endpoint sets into use.
async fn join(
    changes: endpoints::Changes,
    plane: &Arc<Plane>,
    mirror: &mut Mirror,
) -> Result<Acknowledge, String> {
    let mut micros = 0;
    if let Some(endpoints) = changes.after(&mirror.endpoints) {
        mirror.endpoints = endpoints;
        let (work, state) = (Arc::clone(plane), mirror.clone());
        let joined = tokio::task::spawn_blocking(move || work.join(&state)).await;
        micros = joined.map_err(|error| format!("joining endpoints failed: {error}"))?;
    }
    Ok(Acknowledge {
        nonce: changes.nonce,
        apply_micros: micros,
        ..Acknowledge::default()
    })
}

/// What to tell about the health of nodes now.
async fn changed_health(
    plane: &Arc<Plane>,
    reporter: &mut Reporter,
) -> Result<Option<health::Report>, String> {
    if !reporter.is_due(plane.gateway.checkers().mark()) {
        return Ok(None);
    }
    let plane = Arc::clone(plane);
    // Thousands of nodes take longer than a task may hold its thread.
    let collected = tokio::task::spawn_blocking(move || {
        health::collect(&plane.gateway, &*plane.env.environment)
    });
    let now = collected.await;
    let now = now.map_err(|error| format!("collecting health failed: {error}"))?;
    Ok(reporter.next(&now))
}

async fn hash(plane: &Arc<Plane>) -> Result<(u64, String), String> {
    let plane = Arc::clone(plane);
    let hashed = tokio::task::spawn_blocking(move || plane.facts.content_hash()).await;
    hashed.map_err(|error| format!("hashing failed: {error}"))
}

fn status_text(status: &tonic::Status) -> String {
    format!("{}: {}", status.code(), status.message())
}
