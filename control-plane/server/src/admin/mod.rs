//! The REST Admin API.

pub(crate) mod auth;

use std::sync::Arc;

use axum::Router;

use crate::Shared;

/// The routes of the Admin API.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new().with_state(shared)
}
