//! Streams to agents.

pub mod fleet;

use std::sync::Arc;

use tonic::service::Routes;

use crate::Shared;

/// Adds the sync service to `routes`.
pub(crate) fn mount(shared: &Arc<Shared>, routes: Routes) -> Routes {
    let _ = shared;
    routes
}
