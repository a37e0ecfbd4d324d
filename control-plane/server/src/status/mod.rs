//! The status port: `/healthz`, `/readyz`, `/metrics` and `/status`. No key is needed; nothing of
//! the configuration is shown.

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};
use weir_model::Revision;
use weir_raft::{Role, Status};
use weir_store::state_hash;

use crate::Shared;
use crate::admin::Running;

/// Version of this release.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Why there is little to say.
const STARTING: &str = "starting: has no place in a cluster yet";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the handlers need.
struct Port {
    node_id: u64,
    /// Set when the node runs.
    running: Running,
    /// The last hash that was computed, and the revision it belongs to: it costs an encoding of
    /// the whole state.
    hash: Mutex<(Revision, String)>,
}

/// The routes of the status port of node `node_id`. They answer from the beginning, and have more
/// to say once `running` is set.
pub(crate) fn router(node_id: u64, running: Running) -> Router {
    let port = Port {
        node_id,
        running,
        hash: Mutex::default(),
    };
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/status", get(status))
        .with_state(Arc::new(port))
}

async fn readyz(State(port): State<Arc<Port>>) -> Response {
    let reason = match port.running.get() {
        None => Some(STARTING.to_owned()),
        Some(shared) if shared.shutdown.is_cancelled() => Some("shutting down".to_owned()),
        Some(shared) => not_ready(&shared.raft.status()),
    };
    match reason {
        None => (StatusCode::OK, "ready\n").into_response(),
        Some(reason) => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("not ready: {reason}\n"),
        )
            .into_response(),
    }
}

/// Why a node with this status should get no requests; `None` when it should.
fn not_ready(status: &Status) -> Option<String> {
    if status.role == Role::Standby {
        return Some("not a member of a cluster yet".to_owned());
    }
    if status.leader_id.is_none() {
        return Some(format!("no leader is known in term {}", status.term));
    }
    if status.applied < status.committed {
        return Some(format!(
            "applied {} of {} committed entries",
            status.applied, status.committed
        ));
    }
    None
}

async fn metrics(State(port): State<Arc<Port>>) -> Response {
    match port.running.get() {
        Some(shared) => {
            let text = shared.metrics.scrape(shared);
            ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response()
        }
        None => (StatusCode::SERVICE_UNAVAILABLE, STARTING).into_response(),
    }
}

async fn status(State(port): State<Arc<Port>>) -> Response {
    let body = match port.running.get() {
        Some(shared) => {
            let status = shared.raft.status();
            let (hash_index, hash) = hash(&port, shared).await;
            body(&status, hash_index, &hash)
        }
        None => body(&unplaced(port.node_id), 0, ""),
    };
    ([(CONTENT_TYPE, "application/json")], format!("{body}\n")).into_response()
}

fn body(status: &Status, hash_index: Revision, hash: &str) -> Value {
    json!({
        "node_id": status.node_id,
        "role": status.role,
        "leader_id": status.leader_id,
        "term": status.term,
        "last_log": status.last_log,
        "committed": status.committed,
        "applied": status.applied,
        "purged": status.purged,
        "members": status.members,
        "state_hash": hash,
        "state_hash_index": hash_index,
        "cluster_id": status.cluster_id,
        "version": VERSION,
    })
}

/// The status of a node that has no place in a cluster yet.
fn unplaced(node_id: u64) -> Status {
    Status {
        node_id,
        role: Role::Standby,
        leader_id: None,
        term: 0,
        last_log: 0,
        committed: 0,
        applied: 0,
        purged: 0,
        members: Vec::new(),
        cluster_id: String::new(),
    }
}

/// Hash of the state that this node has, and its revision.
async fn hash(port: &Port, shared: &Shared) -> (Revision, String) {
    let state = shared.raft.stale();
    let revision = state.set.revision;
    let known = port
        .hash
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    if known.0 == revision && !known.1.is_empty() {
        return known;
    }
    let computed = tokio::task::spawn_blocking(move || state_hash(&state)).await;
    let fresh = (revision, computed.unwrap_or_default());
    port.hash
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone_from(&fresh);
    fresh
}
