//! The status port: alive, ready, metrics, status.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Map, Value, json};
use tokio::task::JoinError;
use weir_plugins::prometheus;

use crate::export;
use crate::facts::{Finding, Source};
use crate::healthcheck;
use crate::plane::Plane;
use crate::server_info;
use crate::sync::session::Identity;

/// What the port shows.
#[derive(Clone)]
pub(crate) struct Shown {
    pub(crate) plane: Arc<Plane>,
    pub(crate) identity: Identity,
    pub(crate) metric_prefix: String,
    /// Seconds since the epoch at which this process began to serve.
    pub(crate) started: u64,
}

/// The routes of the status port; `export` is the path of the prometheus plugin's metrics.
pub(crate) fn router(shown: Shown, export: Option<&str>) -> Router {
    let router = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/status", get(status))
        .route("/v1/server_info", get(server_info::show))
        .route("/apisix/status", get(server_info::connections))
        .route("/v1/healthcheck", get(healthcheck::all))
        .route("/v1/healthcheck/{type}", get(healthcheck::without_id))
        .route("/v1/healthcheck/{type}/{id}", get(healthcheck::one));
    let reserved = [
        "/healthz",
        "/readyz",
        "/metrics",
        "/status",
        "/apisix/status",
    ];
    let router = match export {
        Some(path) if !reserved.contains(&path) && !path.starts_with("/v1/") => {
            router.route(path, get(exported))
        }
        _ => router,
    };
    router.with_state(shown)
}

/// The metrics of the prometheus plugin on a port of their own.
pub(crate) fn export_router(shown: Shown, path: &str) -> Router {
    Router::new().route(path, get(exported)).with_state(shown)
}

async fn ready(State(shown): State<Shown>) -> Response {
    let mut facts = shown.plane.facts.lock();
    let missing = if facts.draining {
        Some("shutting down".to_owned())
    } else {
        facts.missing(Instant::now())
    };
    if let Some(missing) = missing {
        let text = format!("not ready: {missing}\n");
        return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
    }
    let from = match facts.source {
        Source::Cache => "cache",
        Source::None | Source::Stream => "network",
    };
    format!("ready: revision {} from the {from}\n", facts.revision).into_response()
}

async fn status(State(shown): State<Shown>) -> axum::Json<Value> {
    let plane = Arc::clone(&shown.plane);
    let hashed = tokio::task::spawn_blocking(move || plane.facts.content_hash()).await;
    let (hash_revision, hash) = hashed.unwrap_or_default();
    let bound = shown.plane.gateway.addresses();
    let listeners = json!({
        "http": bound.http,
        "https": bound.https,
        "proxy_protocol_http": bound.relayed_http,
        "proxy_protocol_https": bound.relayed_https,
        "stream_tcp": bound.stream_tcp,
        "stream_udp": bound.stream_udp,
    });
    let facts = shown.plane.facts.lock();
    let endpoints: Map<String, Value> = facts
        .endpoints
        .iter()
        .map(|(key, set)| {
            let known = json!({"count": set.len(), "hash": set.hash().to_string()});
            (key.to_string(), known)
        })
        .collect();
    axum::Json(json!({
        "name": shown.identity.name,
        "region": shown.identity.region,
        "group": shown.identity.group,
        "version": env!("CARGO_PKG_VERSION"),
        "instance": shown.identity.instance,
        "control_node": facts.control_node,
        "connected": facts.connected,
        "last_error": facts.last_error,
        "cluster_id": facts.cluster_id,
        "source": facts.source,
        "revision": facts.revision,
        "newest_revision": facts.newest_revision,
        "lag": facts.lag(),
        "last_nack": facts.last_nack,
        "pending": Finding::list(&facts.pending),
        "config_hash": hash,
        "config_hash_revision": hash_revision,
        "endpoints": endpoints,
        "cached_revision": facts.cached_revision,
        "cache_error": facts.cache_error(),
        "draining": facts.draining,
        "listeners": listeners,
    }))
}

async fn metrics(State(shown): State<Shown>) -> Response {
    let mut text = String::new();
    shown.plane.gateway.metrics_text(&mut text);
    let facts = shown.plane.facts.lock();
    let numbers = [
        ("revision", "Revision in use.", facts.revision),
        (
            "newest_revision",
            "Newest revision that a control node told of.",
            facts.newest_revision,
        ),
        (
            "revision_lag",
            "Revisions behind the newest one.",
            facts.lag(),
        ),
        (
            "connected",
            "1 while a control node is followed.",
            u64::from(facts.connected),
        ),
        (
            "from_cache",
            "1 while the state is from the disk.",
            u64::from(facts.source == Source::Cache),
        ),
        (
            "refused_resources",
            "Resources that keep an older form.",
            nacked(&facts),
        ),
        (
            "pending_settings",
            "Settings that are not acted on.",
            facts.pending.iter().count() as u64,
        ),
        (
            "cached_revision",
            "Revision that is on disk.",
            facts.cached_revision,
        ),
        (
            "cache_failed",
            "1 when the state could not be kept.",
            u64::from(facts.cache_error().is_some()),
        ),
        (
            "endpoint_sets",
            "Discovered services that endpoints are known of.",
            facts.endpoints.len() as u64,
        ),
        (
            "apply_micros",
            "Time to compile and publish the last revision.",
            facts.apply_micros,
        ),
    ];
    drop(facts);
    for (name, help, value) in numbers {
        let _ = writeln!(
            text,
            "# HELP weir_agent_{name} {help}\n# TYPE weir_agent_{name} gauge\nweir_agent_{name} {value}"
        );
    }
    ([(CONTENT_TYPE, prometheus::CONTENT_TYPE)], text).into_response()
}

fn nacked(facts: &crate::facts::Facts) -> u64 {
    facts
        .last_nack
        .as_ref()
        .map_or(0, |nack| nack.refused.len() as u64)
}

async fn exported(State(shown): State<Shown>) -> Response {
    told(tokio::task::spawn_blocking(move || export::page(&shown)).await)
}

/// A page of metrics, or why there is none: an empty one would say that nothing happens here.
fn told(page: Result<String, JoinError>) -> Response {
    match page {
        Ok(page) => ([(CONTENT_TYPE, prometheus::CONTENT_TYPE)], page).into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics of the prometheus plugin cannot be told");
            let message = format!("Failed to retrieve metrics. err: {error}");
            let body = axum::Json(json!({ "message": message }));
            (StatusCode::INTERNAL_SERVER_ERROR, body).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn metrics_that_cannot_be_told_are_a_failure_with_its_reason() {
        let good = tokio::task::spawn_blocking(|| "a 1\n".to_owned()).await;
        let good = told(good);
        assert_eq!(good.status(), StatusCode::OK);
        assert_eq!(good.headers()[CONTENT_TYPE], prometheus::CONTENT_TYPE);
        let bad = tokio::task::spawn_blocking(|| -> String { panic!("no room") }).await;
        let bad = told(bad);
        assert_eq!(bad.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let body = axum::body::to_bytes(bad.into_body(), 1024).await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        let message = body["message"].as_str().unwrap();
        assert!(
            message.starts_with("Failed to retrieve metrics. err: "),
            "{message}"
        );
        assert!(message.contains("no room"), "{message}");
    }
}
