//! The REST Admin API: APISIX's paths, statuses and bodies, with revisions on top.
//!
//! [`router`] is one handler: [`route`](router::route) decides what a path means, [`auth`] who may,
//! [`crud`] what is done, [`respond`] what is answered. Writing itself is in [`crate::write`].

pub(crate) mod auth;
mod body;
mod collection;
mod collections;
mod configs;
mod crud;
mod document;
mod error;
mod health;
mod patch;
mod plugins;
mod query;
mod respond;
mod router;
mod schema;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, Method};
use serde_json::Value;

use crate::Shared;
use auth::Role;
use error::Error;
use query::Query;
use respond::Answer;
use router::Target;

/// One Admin request, taken apart.
struct Call {
    method: Method,
    query: Query,
    headers: HeaderMap,
    /// The document sent with PUT, POST and PATCH.
    body: Option<Value>,
    role: Role,
    /// The key that it came with, to ask other members in its name.
    key: Option<String>,
}

/// The node, once it runs.
pub(crate) type Running = Arc<OnceLock<Arc<Shared>>>;

/// The routes of the Admin API; until `running` is set they answer 503. Needs the peer's address
/// as [`ConnectInfo`].
pub(crate) fn router(running: Running) -> Router {
    Router::new().fallback(handle).with_state(running)
}

async fn handle(
    State(running): State<Running>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let Some(shared) = running.get() else {
        let reason = "this node has no place in a cluster yet".to_owned();
        return respond::error(Error::Unavailable(reason), true, 0);
    };
    let cors = shared.config.cors;
    let (parts, mut body) = request.into_parts();
    let response = match Box::pin(answer(shared, peer.ip(), parts, &mut body)).await {
        Ok(answer) => respond::answer(answer, cors, newest(shared)),
        Err(error) => respond::error(error, cors, newest(shared)),
    };
    body::drain(&mut body).await;
    shared.metrics.admin_request(response.status());
    response
}

/// Revision of what this node has.
fn newest(shared: &Shared) -> weir_model::Revision {
    shared.raft.stale().set.revision
}

async fn answer(
    shared: &Shared,
    peer: IpAddr,
    parts: Parts,
    body: &mut Body,
) -> Result<Answer, Error> {
    let peer = peer.to_canonical();
    if !shared
        .config
        .allow_admin
        .iter()
        .any(|network| network.contains(&peer))
    {
        return Err(Error::Forbidden);
    }
    if parts.method == Method::OPTIONS && shared.config.cors {
        return Ok(Answer::preflight());
    }
    let target = router::route(&parts.method, parts.uri.path())?;
    if target == Target::Liveness {
        return Ok(Answer::empty());
    }
    let query = Query::parse(parts.uri.query().unwrap_or(""));
    let writes = parts.method != Method::GET;
    let key = auth::key_of(&parts.headers, &query);
    let role = shared.keys.check(key.as_deref(), writes)?;
    let body = body::read(&parts, body).await?;
    if let Target::ConfigsValidate = target {
        return configs::validate(shared, &parts.headers, body);
    }
    let target = target.resolve(shared.config.stream_mode, &parts.method)?;
    let body = body::parse(body)?;
    let call = Call {
        method: parts.method,
        query,
        headers: parts.headers,
        body,
        role,
        key,
    };
    dispatch(shared, &target, call).await
}

async fn dispatch(shared: &Shared, target: &Target, call: Call) -> Result<Answer, Error> {
    match target {
        Target::Liveness | Target::ConfigsValidate => Err(Error::Page),
        Target::Unsupported(name) => Err(Error::Unsupported(name.clone())),
        Target::PluginsList => plugins::list(&shared.catalog, &call.query),
        Target::Plugin(name) => plugins::get(&shared.catalog, name.as_deref(), &call.query),
        Target::PluginsReload => plugins::reload(&call.method),
        Target::Schema(name) => schema::get(name),
        Target::SchemaValidate(name) => schema::validate(name, call.body),
        Target::Health(key) => health::get(shared, key, &call).await,
        Target::Resource(path) => crud::run(shared, path, call).await,
    }
}
