//! Kubernetes: list and watch of the EndpointSlices (or Endpoints) of one service.
//!
//! One watch a service, selected by label, and not one for all: an API server tells each watch only
//! what it selects, so nothing of services that no upstream names travels or is kept, and what the
//! credentials must allow stays within the namespaces in use. The price is a stream for each
//! service; over TLS they share connections.

mod access;
mod client;
mod events;
mod kubeconfig;
mod objects;
mod place;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep_until};
use weir_model::endpoint::{EndpointSet, Lookup};
use weir_model::registry::{Kubernetes as Config, RegistryTls};

use client::{Client, Listed, Stream};
use events::Event;
use place::{Admission, Place};

use crate::credentials::Environment;
use crate::{Error, ErrorKind, Registry, Reporter, Seen};

/// Between the starts of two lists or watches, at least: a server that ends each at once must not
/// be asked in a tight loop.
const PACE: Duration = Duration::from_millis(500);

/// A cluster.
pub(crate) struct Kubernetes {
    client: Client,
    admission: Admission,
    weight: u32,
}

/// How a watch ended.
enum Ended {
    /// As it should: the next goes on where it was.
    InTime,
    /// What it would have gone on from is forgotten.
    Expired,
}

impl Kubernetes {
    pub(crate) fn new(
        config: &Config,
        tls: &RegistryTls,
        env: Environment<'_>,
    ) -> Result<Self, Error> {
        Ok(Self {
            client: Client::new(config, tls, env)?,
            admission: Admission::new(config.namespace_selector.as_ref())?,
            weight: config.default_weight,
        })
    }

    async fn follow(&self, lookup: &Lookup, report: Reporter) -> Result<Infallible, Error> {
        let place = Place::parse(&lookup.service_name)?;
        if !self.admission.admits(&place.namespace) {
            let message = format!(
                "namespace {:?} is not one that namespace_selector chooses",
                place.namespace
            );
            return Err(Error::config(message));
        }
        loop {
            let mut started = Instant::now();
            let mut listed = self.client.list(&place).await?;
            loop {
                report.report(self.judge(&place, &listed).await?);
                sleep_until(started + PACE).await;
                started = Instant::now();
                let watch = self.client.watch(&place, &listed.version).await?;
                let ended = match watch {
                    Some(stream) => self.take(&place, stream, &mut listed, &report).await?,
                    None => Ended::Expired,
                };
                if matches!(ended, Ended::Expired) {
                    break;
                }
            }
            sleep_until(started + PACE).await;
        }
    }

    /// Takes what a watch tells.
    async fn take(
        &self,
        place: &Place,
        mut stream: Stream,
        listed: &mut Listed,
        report: &Reporter,
    ) -> Result<Ended, Error> {
        while let Some(event) = stream.next().await? {
            match event {
                Event::Put(object) => {
                    listed.version.clone_from(&object.metadata.resource_version);
                    listed.objects.put(object);
                }
                Event::Gone(object) => {
                    listed.version.clone_from(&object.metadata.resource_version);
                    listed.objects.remove(&object.metadata.name);
                }
                Event::Bookmark(version) => listed.version = version,
                Event::Expired => return Ok(Ended::Expired),
                Event::Failed(why) => {
                    let message = format!("the watch failed: {why}");
                    return Err(Error::at(self.client.server(), ErrorKind::Failed, message));
                }
            }
            report.report(self.judge(place, listed).await?);
        }
        Ok(Ended::InTime)
    }

    /// What the objects amount to; nothing only when that is so.
    async fn judge(&self, place: &Place, listed: &Listed) -> Result<Seen, Error> {
        let mut found = listed.objects.found(place, self.weight);
        if found.endpoints.is_empty() {
            // A list of a namespace that does not exist is empty too.
            let doubt = match self.client.has_namespace(&place.namespace).await? {
                Some(true) => None,
                Some(false) => {
                    let message = format!("there is no namespace {:?}", place.namespace);
                    let kind = ErrorKind::UnknownNamespace;
                    return Err(Error::at(self.client.server(), kind, message));
                }
                None => Some("; these credentials may not ask whether the namespace exists"),
            };
            found.note = found.note.map(|note| note + doubt.unwrap_or_default());
        }
        let set = EndpointSet::new(found.endpoints).map_err(|error| {
            Error::at(
                self.client.server(),
                ErrorKind::Malformed,
                error.to_string(),
            )
        })?;
        Ok(Seen {
            set: Arc::new(set),
            index: listed.version.clone(),
            note: found.note,
        })
    }
}

impl Registry for Kubernetes {
    fn watch<'a>(
        &'a self,
        lookup: &'a Lookup,
        report: Reporter,
    ) -> BoxFuture<'a, Result<Infallible, Error>> {
        self.follow(lookup, report).boxed()
    }
}
