//! Nodes as keys of a folder in Consul's key-value store.

use std::convert::Infallible;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use weir_model::endpoint::{EndpointSet, Lookup};

use super::client::encoded;
use super::parse::{self, Pair};
use super::{Cluster, access, query};
use crate::http::Answer;
use crate::{Error, Registry, Reporter};

/// The key-value store of a Consul cluster.
pub(crate) struct ConsulKv(pub(crate) Cluster);

impl ConsulKv {
    async fn follow(&self, lookup: &Lookup, report: Reporter) -> Result<Infallible, Error> {
        let folder = folder(&self.0.config.prefix, &lookup.service_name);
        let parts: Vec<String> = folder.split('/').map(encoded).collect();
        let path = format!("/v1/kv/{}?recurse", parts.join("/"));
        let mut keys = self.0.client.prepare(&path, lookup.namespace_id.as_deref());
        keys.missing_is_empty = true;
        let reader = Reader { kv: self, folder };
        query::follow(&self.0.client, &keys, &reader, &report).await
    }
}

impl Registry for ConsulKv {
    fn watch<'a>(
        &'a self,
        lookup: &'a Lookup,
        report: Reporter,
    ) -> BoxFuture<'a, Result<Infallible, Error>> {
        self.follow(lookup, report).boxed()
    }
}

/// The folder of a service, with a slash at its end. APISIX names services by the URL of their
/// folder, `http://HOST:PORT/v1/kv/FOLDER/`; a plain name is a folder below the prefix.
fn folder(prefix: &str, service: &str) -> String {
    let inside = service.split_once("/v1/kv/").map(|(_, folder)| folder);
    let folder = match inside {
        Some(folder) => folder.to_owned(),
        None => format!("{}/{service}", prefix.trim_matches('/')),
    };
    format!("{}/", folder.trim_matches('/'))
}

struct Reader<'a> {
    kv: &'a ConsulKv,
    folder: String,
}

impl query::Reader for Reader<'_> {
    fn read(&self, answer: &Answer) -> Result<EndpointSet, Error> {
        if answer.status == http::StatusCode::NOT_FOUND {
            return Ok(EndpointSet::default());
        }
        let pairs: Vec<Pair> = answer.json()?;
        let config = &self.kv.0.config;
        let endpoints = pairs
            .iter()
            .filter(|pair| !config.skip_keys.contains(&pair.key))
            .filter_map(|pair| parse::kv_endpoint(pair, &self.folder, config.weight));
        EndpointSet::new(endpoints).map_err(|error| answer.malformed(error))
    }

    async fn explain(&self, answer: &Answer) -> Result<Option<String>, Error> {
        access::check(&self.kv.0.client, answer, &[("key", &self.folder)]).await?;
        Ok(Some(if answer.status == http::StatusCode::NOT_FOUND {
            format!("there is no folder {:?}", self.folder)
        } else {
            format!("folder {:?} has no key of the form HOST:PORT", self.folder)
        }))
    }

    fn stand_in(&self) -> Option<EndpointSet> {
        EndpointSet::new(self.kv.0.default.clone())
            .ok()
            .filter(|set| !set.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::folder;

    #[test]
    fn services_are_folders_by_name_or_by_url() {
        assert_eq!(folder("upstreams", "web"), "upstreams/web/");
        assert_eq!(folder("/upstreams/", "web/"), "upstreams/web/");
        assert_eq!(folder("", "web"), "web/");
        let url = "http://127.0.0.1:8500/v1/kv/upstreams/webpages/";
        assert_eq!(folder("other", url), "upstreams/webpages/");
    }
}
