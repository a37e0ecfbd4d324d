//! The status port: `/healthz`, `/readyz`, `/metrics` and `/status`.

use std::sync::Arc;

use axum::Router;

use crate::Shared;

/// The routes of the status port.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new().with_state(shared)
}
