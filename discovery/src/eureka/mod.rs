//! Eureka: the whole registry once, then what changed, checked by the hash that the protocol
//! defines. One fetch serves every service that is watched.

mod apps;
mod feed;
mod parse;

use std::convert::Infallible;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::time::sleep_until;
use weir_model::endpoint::{EndpointSet, Lookup};
use weir_model::registry::{Eureka as Config, RegistryTls};

use crate::credentials::Environment;
use crate::{Error, ErrorKind, Registry, Reporter, Seen};
use apps::Apps;
use feed::Feed;

/// The servers of one Eureka registry.
pub(crate) struct Eureka {
    feed: Feed,
}

impl Eureka {
    pub(crate) fn new(
        config: &Config,
        tls: &RegistryTls,
        env: Environment<'_>,
    ) -> Result<Self, Error> {
        Ok(Self {
            feed: Feed::new(config, tls, env)?,
        })
    }

    async fn follow(&self, lookup: &Lookup, report: Reporter) -> Result<Infallible, Error> {
        // Eureka names applications in capitals, whatever they called themselves.
        let name = lookup.service_name.to_ascii_uppercase();
        loop {
            let round = self.feed.round().await?;
            report.report(seen(&round.apps, &name, &round.server)?);
            sleep_until(round.over).await;
        }
    }
}

impl Registry for Eureka {
    fn watch<'a>(
        &'a self,
        lookup: &'a Lookup,
        report: Reporter,
    ) -> BoxFuture<'a, Result<Infallible, Error>> {
        self.follow(lookup, report).boxed()
    }
}

/// What the registry says about one application.
fn seen(apps: &Apps, name: &str, server: &str) -> Result<Seen, Error> {
    let set = EndpointSet::new(apps.endpoints(name).cloned())
        .map_err(|error| Error::at(server, ErrorKind::Malformed, error.to_string()))?;
    let note = set.is_empty().then(|| match apps.instances(name) {
        0 if apps.is_empty() => "the registry has no applications at all".to_owned(),
        0 => format!("no application {name:?} is registered"),
        count => format!("none of {count} registered instances is UP and has an address and port"),
    });
    Ok(Seen {
        set: Arc::new(set),
        index: apps.hash(),
        note,
    })
}
