//! gRPC for operators: the control, cluster, discovery, health and reflection services on the port
//! that agents use too.
//!
//! The same power as the REST Admin API, by the same paths: keys by [`crate::admin::auth`], writing
//! by [`crate::write`]. All but reflection ask for a key; reflection tells nothing but the
//! published contracts, and agents are not operators.

mod access;
mod apply;
mod cluster;
mod control;
mod discovery;
mod error;
mod explain;
mod health;
mod members;
mod pages;
mod reflection;
mod watch;

use std::pin::Pin;
use std::sync::Arc;

use futures_util::Stream;
use tonic::Status;
use tonic::service::Routes;
use tonic::service::interceptor::InterceptedService;
use weir_proto::cluster::cluster_service_server::ClusterServiceServer;
use weir_proto::control::control_service_server::ControlServiceServer;
use weir_proto::discovery::discovery_service_server::DiscoveryServiceServer;
use weir_proto::health::health_service_server::HealthServiceServer;

pub(crate) use access::Caller;
pub(crate) use health::gather;

use crate::Shared;

/// Largest request: many documents in one apply.
const MAX_REQUEST: usize = 64 << 20;

/// Answers of a streaming call.
type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Services for the CLI.
pub(crate) fn services(shared: &Arc<Shared>) -> Routes {
    let gate = access::Gate::new(shared.keys.clone());
    let control = ControlServiceServer::new(control::Control::new(Arc::clone(shared)))
        .max_decoding_message_size(MAX_REQUEST);
    let cluster = ClusterServiceServer::new(cluster::Cluster::new(Arc::clone(shared)));
    let discovery = DiscoveryServiceServer::new(discovery::Discovery::new(Arc::clone(shared)));
    let health = HealthServiceServer::new(health::Health::new(Arc::clone(shared)));
    let routes = Routes::default()
        .add_service(InterceptedService::new(control, gate.clone()))
        .add_service(InterceptedService::new(cluster, gate.clone()))
        .add_service(InterceptedService::new(discovery, gate.clone()))
        .add_service(InterceptedService::new(health, gate));
    reflection::mount(routes)
}

#[cfg(test)]
mod tests;
