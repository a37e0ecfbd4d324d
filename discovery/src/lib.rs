//! Following service registries: Consul, Nacos, Eureka, DNS and Kubernetes behind one trait.
//!
//! [`build`] makes a [`Registry`] of a `registry` document; its [`Registry::watch`] reports the
//! whole endpoint set of one service whenever it changes. Who is watched, retries, holding strange
//! answers back and delivery are the caller's.

mod consul;
mod credentials;
mod dns;
mod error;
mod eureka;
mod http;
mod kubernetes;
mod nacos;
mod once;
mod registry;
mod secrets;
mod shared;
#[cfg(feature = "testkit")]
pub mod testkit;

use std::sync::Arc;

use weir_model::registry::{Backend, Registry as Document};

pub use credentials::Environment;
pub use error::{Error, ErrorKind};
pub use once::{ask_once, lookup};
pub use registry::{Registry, Reporter, Reports, Seen, reports};
pub use secrets::{Managers, has_secrets, reveal};

/// Makes a registry of its document. Connects to nothing yet.
///
/// # Errors
/// Settings that cannot work; the kind is [`ErrorKind::Config`].
pub fn build(document: &Document, env: Environment<'_>) -> Result<Arc<dyn Registry>, Error> {
    Ok(match &document.backend {
        Backend::Consul(config) => Arc::new(consul::Consul(consul::Cluster::new(
            config,
            &document.tls,
            env,
        )?)),
        Backend::ConsulKv(config) => Arc::new(consul::ConsulKv(consul::Cluster::new(
            config,
            &document.tls,
            env,
        )?)),
        Backend::Dns(config) => Arc::new(dns::Dns::new(config)),
        Backend::Eureka(config) => Arc::new(eureka::Eureka::new(config, &document.tls, env)?),
        Backend::Kubernetes(config) => {
            Arc::new(kubernetes::Kubernetes::new(config, &document.tls, env)?)
        }
        Backend::Nacos(config) => Arc::new(nacos::Nacos::new(config, &document.tls, env)?),
    })
}
