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

/// Version of this release.
const VERSION: &str = env!("CARGO_PKG_VERSION");
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the handlers need.
struct Port {
    shared: Arc<Shared>,
    /// The last hash that was computed, and the revision it belongs to: it costs an encoding of
    /// the whole state.
    hash: Mutex<(Revision, String)>,
}

/// The routes of the status port.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let port = Port {
        shared,
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
    let reason = if port.shared.shutdown.is_cancelled() {
        Some("shutting down".to_owned())
    } else {
        not_ready(&port.shared.raft.status())
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
    let text = port.shared.metrics.scrape(&port.shared);
    ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response()
}

async fn status(State(port): State<Arc<Port>>) -> Response {
    let status = port.shared.raft.status();
    let (hash_index, hash) = hash(&port).await;
    let body = body(&status, hash_index, &hash);
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

/// Hash of the state that this node has, and its revision.
async fn hash(port: &Port) -> (Revision, String) {
    let state = port.shared.raft.stale();
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
