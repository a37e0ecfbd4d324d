//! Services of Consul's catalog, by their health.

use std::convert::Infallible;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use weir_model::endpoint::{Endpoint, EndpointSet, Lookup};
use weir_model::registry::{Consul as Config, RegistryTls};

use super::client::{Client, encoded};
use super::parse::{self, Entry};
use super::{access, query};
use crate::credentials::Environment;
use crate::http::Answer;
use crate::{Error, Registry, Reporter};

/// A Consul cluster.
pub(crate) struct Consul {
    client: Client,
    config: Config,
    default: Option<Endpoint>,
}

impl Consul {
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

    async fn follow(&self, lookup: &Lookup, report: Reporter) -> Result<Infallible, Error> {
        let name = &lookup.service_name;
        if self.config.skip_services.contains(name) {
            let message = format!("service {name:?} is one of skip_services");
            return Err(Error::config(message));
        }
        let mut path = format!("/v1/health/service/{}?passing=1", encoded(name));
        for tag in &self.config.tags {
            path.push_str(&format!("&tag={}", encoded(tag)));
        }
        let namespace = lookup.namespace_id.as_deref();
        let health = self.client.prepare(&path, namespace);
        let reader = Reader {
            consul: self,
            name,
            namespace,
        };
        query::follow(&self.client, &health, &reader, &report).await
    }
}

impl Registry for Consul {
    fn watch<'a>(
        &'a self,
        lookup: &'a Lookup,
        report: Reporter,
    ) -> BoxFuture<'a, Result<Infallible, Error>> {
        self.follow(lookup, report).boxed()
    }
}

struct Reader<'a> {
    consul: &'a Consul,
    name: &'a str,
    namespace: Option<&'a str>,
}

impl query::Reader for Reader<'_> {
    fn read(&self, answer: &Answer) -> Result<EndpointSet, Error> {
        let entries: Vec<Entry> = answer.json()?;
        let weight = self.consul.config.weight;
        let endpoints = entries
            .iter()
            .filter_map(|entry| parse::endpoint(entry, weight));
        EndpointSet::new(endpoints).map_err(|error| answer.malformed(error))
    }

    async fn explain(&self, answer: &Answer) -> Result<Option<String>, Error> {
        let client = &self.consul.client;
        access::check(client, answer, &[("service", self.name), ("node", "")]).await?;
        let path = format!("/v1/catalog/service/{}", encoded(self.name));
        let registered = client.prepare(&path, self.namespace);
        let answer = client.query(&registered, 0).await?;
        let instances: Vec<serde::de::IgnoredAny> = answer.json()?;
        Ok(Some(match instances.len() {
            0 => format!("no service {:?} is registered", self.name),
            count => format!("none of {count} registered instances passes and fits"),
        }))
    }

    fn stand_in(&self) -> Option<EndpointSet> {
        EndpointSet::new(self.consul.default.clone())
            .ok()
            .filter(|set| !set.is_empty())
    }
}
