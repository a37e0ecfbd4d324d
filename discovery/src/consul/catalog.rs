//! Services of Consul's catalog, by their health.

use std::convert::Infallible;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use weir_model::endpoint::{EndpointSet, Lookup};

use super::client::encoded;
use super::parse::{self, Entry};
use super::{Cluster, access, query};
use crate::http::Answer;
use crate::{Error, Registry, Reporter};

/// A Consul cluster.
pub(crate) struct Consul(pub(crate) Cluster);

impl Consul {
    async fn follow(&self, lookup: &Lookup, report: Reporter) -> Result<Infallible, Error> {
        let name = &lookup.service_name;
        if self.0.config.skip_services.contains(name) {
            let message = format!("service {name:?} is one of skip_services");
            return Err(Error::config(message));
        }
        let mut path = format!("/v1/health/service/{}?passing=1", encoded(name));
        for tag in &self.0.config.tags {
            path.push_str(&format!("&tag={}", encoded(tag)));
        }
        let namespace = lookup.namespace_id.as_deref();
        let health = self.0.client.prepare(&path, namespace);
        let reader = Reader {
            consul: self,
            name,
            namespace,
        };
        query::follow(&self.0.client, &health, &reader, &report).await
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
        let weight = self.consul.0.config.weight;
        let endpoints = entries
            .iter()
            .filter_map(|entry| parse::endpoint(entry, weight));
        EndpointSet::new(endpoints).map_err(|error| answer.malformed(error))
    }

    async fn explain(&self, answer: &Answer) -> Result<Option<String>, Error> {
        let client = &self.consul.0.client;
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
        EndpointSet::new(self.consul.0.default.clone())
            .ok()
            .filter(|set| !set.is_empty())
    }
}
