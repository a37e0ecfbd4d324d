//! Consul: blocking queries on the health of one service, and on a folder of the key-value store.
//!
//! Both go by the rules that Consul documents for blocking queries: an index that goes backwards
//! starts over, an index of 0 is not blocked on, and answers that come too quickly are paced.

mod access;
mod catalog;
mod client;
mod kv;
mod parse;
mod query;

use weir_model::endpoint::Endpoint;
use weir_model::registry::{Consul as Config, RegistryTls};

pub(crate) use catalog::Consul;
pub(crate) use kv::ConsulKv;

use self::client::Client;
use crate::Error;
use crate::credentials::Environment;

/// What services and key folders have in common.
pub(crate) struct Cluster {
    client: Client,
    config: Config,
    /// Stands in for a service without instances.
    default: Option<Endpoint>,
}

impl Cluster {
    pub(crate) fn new(
        config: &Config,
        tls: &RegistryTls,
        env: Environment<'_>,
    ) -> Result<Self, Error> {
        Ok(Self {
            client: Client::new(config, tls, env)?,
            default: config.default_service.as_ref().and_then(parse::stand_in),
            config: config.clone(),
        })
    }
}
