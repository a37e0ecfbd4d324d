//! Health of nodes, as the fleet reports it.

use serde_json::Value;
use weir_model::{Key, Kind};
use weir_proto::convert::health::document;
use weir_store::State;

use super::Call;
use super::error::Error;
use super::respond::Answer;
use crate::Shared;
use crate::health::carrier;
use crate::rpc::{Caller, gather};

/// Answers `GET .../{id}/health`. Told also where no leader is to be had: agents go on then.
///
/// # Errors
/// When there is no such resource.
pub(super) async fn get(shared: &Shared, key: &Key, call: &Call) -> Result<Answer, Error> {
    let fresh = match call.query.stale()? {
        true => None,
        false => shared.raft.read().await.ok(),
    };
    let state = fresh.unwrap_or_else(|| shared.raft.stale());
    let health = of(shared, &state, key, call).await;
    let body = health.ok_or(Error::KeyNotFound)?;
    Ok(Answer::json(body).at(state.set.revision))
}

/// The health of the upstream of a resource; `None` for what cannot have one.
pub(super) async fn of(shared: &Shared, state: &State, key: &Key, call: &Call) -> Option<Value> {
    if !matches!(key.kind, Kind::Upstream | Kind::Route | Kind::Service) {
        return None;
    }
    let carrier = carrier(&state.set, key)?;
    let caller = Caller::new(call.role, call.key.as_deref());
    Some(document(&gather(shared, &caller, carrier).await))
}
