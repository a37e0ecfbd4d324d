//! What the plugins `server-info` and `node-status` tell, in APISIX's form.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::State;
use serde_json::{Value, json};
use weir_plugins::prometheus::Connections;
use weir_proxy::telemetry::metrics::Stats;

use crate::status::Shown;

/// Seconds since the epoch.
pub(crate) fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_secs()
}

/// `GET /v1/server_info`. There is no etcd: its version is not known.
pub(crate) async fn show(State(shown): State<Shown>) -> axum::Json<Value> {
    axum::Json(json!({
        "id": shown.identity.name,
        "hostname": shown.plane.env.environment.hostname(),
        "version": env!("CARGO_PKG_VERSION"),
        "boot_time": shown.started,
        "etcd_version": "unknown",
    }))
}

/// `GET /apisix/status`: numbers are texts there.
pub(crate) async fn connections(State(shown): State<Shown>) -> axum::Json<Value> {
    let stats = shown.plane.gateway.stats();
    let counts = counts(&stats);
    axum::Json(json!({
        "id": shown.identity.name,
        "status": {
            "active": counts.active.to_string(),
            "accepted": counts.accepted.to_string(),
            "handled": counts.handled.to_string(),
            "total": stats.requests.to_string(),
            "reading": counts.reading.to_string(),
            "writing": counts.writing.to_string(),
            "waiting": counts.waiting.to_string(),
        },
    }))
}

/// Client connections in nginx's terms. Those that read a head count as waiting.
pub(crate) fn counts(stats: &Stats) -> Connections {
    Connections {
        accepted: stats.accepted,
        handled: stats.accepted,
        active: stats.connections,
        writing: stats.in_flight.min(stats.connections),
        waiting: stats.connections.saturating_sub(stats.in_flight),
        reading: 0,
    }
}
