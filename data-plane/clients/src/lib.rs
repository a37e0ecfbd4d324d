#![doc = include_str!("../README.md")]

mod connect;
mod gate;
mod http;
mod kafka;
mod ldap;
mod redis;
mod socket;
#[cfg(test)]
mod tests;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use weir_plugin_api::outside::{
    CacheZones, CallError, HttpAnswer, HttpCall, KafkaCluster, KafkaRecord, LdapServer, Made,
    Outside, Pending, RedisCall, RedisServer, RedisValue, SocketTarget, Work,
};

use gate::Gates;

/// All clients of one agent. Their connections live on the runtime that is handed in, not on the
/// workers.
pub struct Clients {
    background: Handle,
    http: Arc<http::Http>,
    kafka: Arc<kafka::Clusters>,
    redis: Arc<redis::Servers>,
    ldap: Arc<ldap::Servers>,
    sockets: Arc<socket::Sockets>,
    gates: Arc<Gates>,
    zones: Option<CacheZones>,
}

impl Clients {
    /// Clients that work on `background`. Nothing is connected yet.
    #[must_use]
    pub fn new(background: Handle) -> Self {
        let tls = tls::Configs::new();
        Self {
            http: Arc::new(http::Http::new(&tls)),
            kafka: Arc::default(),
            redis: Arc::default(),
            ldap: Arc::new(ldap::Servers::new(tls.clone())),
            sockets: Arc::new(socket::Sockets::new(tls)),
            gates: Arc::default(),
            zones: None,
            background,
        }
    }

    /// Answers may be kept in these zones.
    #[must_use]
    pub fn with_zones(mut self, zones: CacheZones) -> Self {
        self.zones = Some(zones);
        self
    }

    /// Runs a call on the background runtime, through the gate of its address. The caller waits on
    /// a channel; when it goes away, so does the call.
    fn call<T, F>(&self, address: String, limit: Duration, work: F) -> Pending<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, CallError>> + Send + 'static,
    {
        let pass = match self.gates.enter(&address) {
            Ok(pass) => pass,
            Err(error) => return Box::pin(std::future::ready(Err(error))),
        };
        let timed = async move {
            let outcome = tokio::time::timeout(limit, work).await;
            let outcome = outcome.unwrap_or_else(|_| {
                Err(CallError::Timeout {
                    address,
                    limit_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
                })
            });
            pass.leave(&outcome);
            outcome
        };
        let task = Abort(self.background.spawn(timed));
        Box::pin(async move {
            let mut task = task;
            match (&mut task.0).await {
                Ok(outcome) => outcome,
                Err(error) => Err(CallError::Broken {
                    address: String::new(),
                    cause: error.to_string(),
                }),
            }
        })
    }
}

/// Ends a task when whoever waits for it is gone.
struct Abort<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for Abort<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Outside for Clients {
    fn http(&self, call: HttpCall) -> Pending<HttpAnswer> {
        let address = call.uri.authority().map(ToString::to_string);
        let (client, limit) = (Arc::clone(&self.http), call.timeout);
        self.call(address.unwrap_or_default(), limit, async move {
            client.exchange(call).await
        })
    }

    fn redis(&self, server: &Arc<RedisServer>, call: RedisCall) -> Pending<RedisValue> {
        let (servers, server) = (Arc::clone(&self.redis), Arc::clone(server));
        // Connecting and the script have the same limit, one after the other.
        let limit = server.timeout.saturating_mul(2);
        self.call(redis::shown(&server.address), limit, async move {
            servers.run(&server, call).await
        })
    }

    fn ldap_bind(&self, server: &Arc<LdapServer>, dn: String, password: String) -> Pending<bool> {
        let (servers, server) = (Arc::clone(&self.ldap), Arc::clone(server));
        let limit = server.timeout.saturating_mul(2);
        self.call(ldap::shown(&server), limit, async move {
            servers.bind(&server, &dn, &password).await
        })
    }

    fn kafka(&self, cluster: &Arc<KafkaCluster>, record: KafkaRecord) -> Pending<()> {
        let (clusters, cluster) = (Arc::clone(&self.kafka), Arc::clone(cluster));
        let limit = cluster.timeout;
        self.call(kafka::shown(&cluster), limit, async move {
            clusters.produce(&cluster, record).await
        })
    }

    fn send(&self, target: &Arc<SocketTarget>, bytes: Bytes) -> Pending<()> {
        let (sockets, target) = (Arc::clone(&self.sockets), Arc::clone(target));
        let limit = target.timeout.saturating_mul(2);
        self.call(socket::shown(&target), limit, async move {
            sockets.send(&target, &bytes).await
        })
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.background.spawn(task);
    }

    fn blocking(&self, work: Work) -> Pending<Made> {
        let task = self.background.spawn_blocking(work);
        Box::pin(async move {
            task.await.map_err(|error| CallError::Broken {
                address: String::new(),
                cause: error.to_string(),
            })
        })
    }

    fn cache_zones(&self) -> Option<&CacheZones> {
        self.zones.as_ref()
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        let _context = self.background.enter();
        Box::pin(tokio::time::sleep(time))
    }
}

/// Host and port as shown in errors.
fn address(host: &str, port: u16) -> String {
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}
