//! Nacos: pushed over gRPC, with the list over HTTP where gRPC cannot be had.
//!
//! ```text
//! watch ─▶ subscription of a session (one connection a namespace, shared) ─▶ pushes, and the
//!   │                                                  whole service again every `fetch_interval`
//!   └───▶ no session: the list over HTTP, every `fetch_interval`, then gRPC again
//! ```

mod client;
mod identity;
mod messages;
mod parse;
mod session;

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::time::sleep;
use weir_model::endpoint::{EndpointSet, Lookup};
use weir_model::registry::{Nacos as Config, RegistryTls};

use client::{Client, Namespace};
use messages::ServiceInfo;
use session::Session;

use crate::credentials::Environment;
use crate::shared::Shared;
use crate::{Error, ErrorKind, Registry, Reporter, Seen};

/// A service of Nacos.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Topic {
    namespace: String,
    group: String,
    service: String,
}

type Slot = Arc<Shared<Weak<Session>>>;

/// A Nacos cluster.
pub(crate) struct Nacos {
    client: Arc<Client>,
    config: Config,
    /// By namespace: what a server pushes does not say of which one it is.
    sessions: Mutex<HashMap<String, Slot>>,
}

/// Why pushes ended.
struct Ended {
    error: Error,
    /// Whether there were any.
    began: bool,
}

impl Nacos {
    pub(crate) fn new(
        config: &Config,
        tls: &RegistryTls,
        env: Environment<'_>,
    ) -> Result<Self, Error> {
        Ok(Self {
            client: Arc::new(Client::new(config, tls, env)?),
            config: config.clone(),
            sessions: Mutex::default(),
        })
    }

    fn topic(&self, lookup: &Lookup) -> Topic {
        let or = |stated: &Option<String>, default: &String| {
            stated.clone().unwrap_or_else(|| default.clone())
        };
        let namespace = or(&lookup.namespace_id, &self.config.namespace_id);
        Topic {
            // The public namespace has two names.
            namespace: if namespace.is_empty() {
                "public".to_owned()
            } else {
                namespace
            },
            group: or(&lookup.group_name, &self.config.group_name),
            service: lookup.service_name.clone(),
        }
    }

    async fn follow(&self, lookup: &Lookup, report: Reporter) -> Result<Infallible, Error> {
        let topic = self.topic(lookup);
        let pause = Duration::from_secs(self.config.fetch_interval);
        loop {
            let mut why = None;
            if self.config.grpc {
                let Err(ended) = self.pushed(&topic, &report).await;
                if ended.began || !ended.error.kind.is_of_one_server() {
                    return Err(ended.error);
                }
                why = Some(ended.error);
            }
            let listed = self.client.list(&topic).await;
            let info = listed.map_err(|error| also(error, why.as_ref()))?;
            let mut seen = self.judge(&topic, &info).await?;
            if let Some(why) = why {
                let note = format!("polled every {pause:?}, since gRPC fails: {why}");
                seen.note = Some(join(seen.note, note));
            }
            report.report(seen);
            sleep(pause).await;
        }
    }

    /// Reports what is pushed.
    async fn pushed(&self, topic: &Topic, report: &Reporter) -> Result<Infallible, Ended> {
        let mut began = false;
        let mut follow = async || {
            let session = self.session(&topic.namespace).await?;
            let mut subscription = session.subscribe(topic).await?;
            let pause = Duration::from_secs(self.config.fetch_interval);
            loop {
                let info = subscription.info();
                report.report(self.judge(topic, &info).await?);
                began = true;
                tokio::select! {
                    changed = subscription.changed() => changed?,
                    // What was not pushed for whatever reason is seen now.
                    () = sleep(pause) => session.fetch(topic).await?,
                }
            }
        };
        let ended: Result<Infallible, Error> = follow().await;
        ended.map_err(|error| Ended { error, began })
    }

    /// The session of a namespace, as long as some watch uses it.
    async fn session(&self, namespace: &str) -> Result<Arc<Session>, Error> {
        let slot = {
            let mut all = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry(namespace.to_owned()).or_default())
        };
        let living = |session: &Weak<Session>| session.upgrade().filter(|session| session.lives());
        let open = async {
            let session = Session::open(&self.client, namespace).await?;
            Ok((Arc::downgrade(&session), session))
        };
        slot.get(living, open).await
    }

    /// What a service amounts to; an empty one only when that is so.
    async fn judge(&self, topic: &Topic, info: &ServiceInfo) -> Result<Seen, Error> {
        let endpoints = parse::endpoints(info, &self.config.clusters, self.config.weight);
        let set = EndpointSet::new(endpoints)
            .map_err(|error| Error::at(&info.server, ErrorKind::Malformed, error.to_string()))?;
        let note = if set.is_empty() {
            Some(self.explain(topic, info).await?)
        } else {
            None
        };
        let index = match info.last_ref_time {
            0 => set.hash().to_string(),
            time => time.to_string(),
        };
        Ok(Seen {
            set: Arc::new(set),
            index,
            note,
        })
    }

    /// Why a service has no endpoints. Nacos says the same of a namespace that does not exist.
    async fn explain(&self, topic: &Topic, info: &ServiceInfo) -> Result<String, Error> {
        let Topic {
            namespace,
            group,
            service,
        } = topic;
        let known = self.client.namespace(namespace).await?;
        if known == Namespace::Unknown {
            let message = format!("there is no namespace {namespace:?}");
            let kind = ErrorKind::UnknownNamespace;
            return Err(Error::at(&info.server, kind, message));
        }
        let note = match info.hosts.len() {
            0 => format!("no instance of {service:?} is registered in group {group:?}"),
            count => {
                format!("none of {count} instances is healthy, enabled and in a wanted cluster")
            }
        };
        if known == Namespace::Hidden {
            let doubt =
                format!("these credentials may not ask whether namespace {namespace:?} exists");
            return Ok(join(Some(note), doubt));
        }
        Ok(note)
    }
}

impl Registry for Nacos {
    fn watch<'a>(
        &'a self,
        lookup: &'a Lookup,
        report: Reporter,
    ) -> BoxFuture<'a, Result<Infallible, Error>> {
        self.follow(lookup, report).boxed()
    }
}

/// The failure of HTTP, with that of gRPC before it.
fn also(error: Error, grpc: Option<&Error>) -> Error {
    let Some(grpc) = grpc else {
        return error;
    };
    Error {
        message: format!("{}; gRPC before it: {grpc}", error.message),
        ..error
    }
}

fn join(first: Option<String>, second: String) -> String {
    match first {
        Some(first) => format!("{first}; {second}"),
        None => second,
    }
}
