//! DNS: services (SRV), addresses and aliases, asked for again when the records are over.

mod ask;
mod find;
mod name;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::time::sleep;
use weir_model::endpoint::{Endpoint, EndpointSet, Lookup};
use weir_model::registry::Dns as Config;

use crate::{Error, ErrorKind, Registry, Reporter, Seen};
use ask::Resolver;
use name::{Host, Service};

/// Resolvers.
pub(crate) struct Dns {
    config: Config,
}

impl Dns {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            config: config.clone(),
        }
    }

    async fn follow(&self, lookup: &Lookup, report: Reporter) -> Result<Infallible, Error> {
        let service = Service::parse(&lookup.service_name)?;
        let name = match service.host {
            Host::Name(name) => name,
            Host::Address(address) => {
                let endpoint = Endpoint::new(address.to_string(), service.port);
                loop {
                    report.report(seen(vec![endpoint.clone()], None)?);
                    sleep(self.config.max_ttl).await;
                }
            }
        };
        let resolver = Resolver::new(&self.config, lookup).await?;
        let names = resolver.candidates(&name);
        let (steps, last_first) = find::steps(&self.config.order);
        let mut first = None;
        loop {
            let found = find::find(&resolver, &names, service.port, &steps, first).await?;
            let life = life(
                &self.config,
                lookup.ttl,
                found.as_ref().map(|found| found.life),
            );
            first = found
                .as_ref()
                .map(|found| found.step)
                .filter(|_| last_first);
            report.report(match found {
                Some(found) => seen(found.endpoints, Some("the records lead to no address"))?,
                None => seen(
                    Vec::new(),
                    Some(&format!("there are no records for {name}")),
                )?,
            });
            sleep(life).await;
        }
    }
}

impl Registry for Dns {
    fn watch<'a>(
        &'a self,
        lookup: &'a Lookup,
        report: Reporter,
    ) -> BoxFuture<'a, Result<Infallible, Error>> {
        self.follow(lookup, report).boxed()
    }
}

/// How long an answer is kept: `told` by the records, or none when there were none; `own` is the
/// upstream's word, which only the floor limits.
fn life(config: &Config, own: Option<Duration>, told: Option<Duration>) -> Duration {
    match (told, own) {
        (None, _) => config.negative_ttl,
        (Some(_), Some(own)) => own.max(config.min_ttl),
        (Some(told), None) => told.min(config.max_ttl).max(config.min_ttl),
    }
}

/// A report; `why` is for an empty one.
fn seen(endpoints: Vec<Endpoint>, why: Option<&str>) -> Result<Seen, Error> {
    let set = EndpointSet::new(endpoints)
        .map_err(|error| Error::at("", ErrorKind::TooLarge, error.to_string()))?;
    Ok(Seen {
        // DNS has no index: what was answered names itself.
        index: set.hash().to_string(),
        note: why.filter(|_| set.is_empty()).map(str::to_owned),
        set: Arc::new(set),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use weir_model::registry::{Backend, Registry as Document};

    use super::*;

    #[test]
    fn answers_hold_as_their_records_say_within_bounds() {
        let spec = json!({
            "type": "dns", "servers": ["127.0.0.1"], "min_ttl": 2, "max_ttl": 60, "negative_ttl": 7
        });
        let Backend::Dns(config) = Document::parse(&spec).unwrap().backend else {
            panic!("expected dns");
        };
        let seconds = Duration::from_secs;
        for (own, told, expected) in [
            (None, Some(30), 30),
            (None, Some(0), 2),
            (None, Some(86_400), 60),
            (None, None, 7),
            (Some(5), Some(30), 5),
            (Some(0), Some(30), 2),
            (Some(600), Some(30), 600),
            (Some(600), None, 7),
        ] {
            let life = life(&config, own.map(seconds), told.map(seconds));
            assert_eq!(life, seconds(expected), "{own:?} {told:?}");
        }
    }
}
