//! gRPC for the CLI: control, cluster and reflection services.

use std::sync::Arc;

use tonic::service::Routes;

use crate::Shared;

/// Services for the CLI.
pub(crate) fn services(shared: &Arc<Shared>) -> Routes {
    let _ = shared;
    Routes::default()
}
