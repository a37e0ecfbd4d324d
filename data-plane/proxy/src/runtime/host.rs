//! The services that plugins may ask for.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use weir_model::{Key, Kind, ResourceSet};
use weir_plugin_api::outside::{Outside, Unreachable};
use weir_plugin_api::{Consumer, Host, Location};

use super::consumers::Consumers;
use super::upstreams::{SharedUpstreams, UpstreamName};
use crate::upstream::locality::Home;

/// Clock, randomness and name of the agent: inputs, so that tests can set them.
pub trait Environment: Send + Sync {
    /// Milliseconds since the epoch.
    fn unix_ms(&self) -> u64;
    /// Time since an arbitrary start; never goes back.
    fn monotonic(&self) -> Duration;
    /// 64 random bits, not for secrets.
    fn random(&self) -> u64;
    /// Name of the machine.
    fn hostname(&self) -> &str;
    /// Port at which clients reach the gateway by TLS; `None` when it has none.
    fn https_port(&self) -> Option<u16>;
    /// Where the agent is.
    fn home(&self) -> &Home;
    /// Where an address is; `None` when it is not known.
    fn location(&self, address: IpAddr) -> Option<Location>;
}

/// Knows where addresses are.
pub trait Locations: Send + Sync {
    /// Where an address is; `None` when it is not known.
    fn of(&self, address: IpAddr) -> Option<Location>;
}

/// The clock and randomness of this machine.
pub struct SystemEnvironment {
    start: Instant,
    hostname: String,
    home: Home,
    https_port: Option<u16>,
    locations: Option<Arc<dyn Locations>>,
}

impl SystemEnvironment {
    /// The environment of an agent on the machine `hostname`.
    pub fn new(hostname: impl Into<String>) -> Self {
        Self {
            start: Instant::now(),
            hostname: hostname.into(),
            home: Home::default(),
            https_port: None,
            locations: None,
        }
    }

    /// The same, at a place.
    #[must_use]
    pub fn at(mut self, home: Home) -> Self {
        self.home = home;
        self
    }

    /// The same, reached by TLS at a port.
    #[must_use]
    pub fn reached_at(mut self, https_port: Option<u16>) -> Self {
        self.https_port = https_port;
        self
    }

    /// The same with somebody who knows where addresses are.
    #[must_use]
    pub fn with_locations(mut self, locations: Option<Arc<dyn Locations>>) -> Self {
        self.locations = locations;
        self
    }
}

impl Environment for SystemEnvironment {
    fn unix_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        })
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    fn random(&self) -> u64 {
        rand::random()
    }

    fn hostname(&self) -> &str {
        &self.hostname
    }

    fn https_port(&self) -> Option<u16> {
        self.https_port
    }

    fn home(&self) -> &Home {
        &self.home
    }

    fn location(&self, address: IpAddr) -> Option<Location> {
        self.locations.as_ref()?.of(address)
    }
}

/// The services before the first runtime: there is nobody to find.
pub(crate) fn nobody() -> Arc<dyn Host> {
    static NOBODY: OnceLock<Arc<RuntimeHost>> = OnceLock::new();
    let host = NOBODY.get_or_init(|| {
        Arc::new(RuntimeHost {
            consumers: Arc::default(),
            upstreams: SharedUpstreams::default(),
            set: ResourceSet::default(),
            environment: Arc::new(SystemEnvironment::new("")),
            outside: Arc::new(Unreachable),
        })
    });
    Arc::clone(host) as Arc<dyn Host>
}

/// One revision's services.
pub(super) struct RuntimeHost {
    pub(super) consumers: Arc<Consumers>,
    pub(super) upstreams: SharedUpstreams,
    pub(super) set: ResourceSet,
    pub(super) environment: Arc<dyn Environment>,
    pub(super) outside: Arc<dyn Outside>,
}

impl Host for RuntimeHost {
    fn unix_ms(&self) -> u64 {
        self.environment.unix_ms()
    }

    fn monotonic(&self) -> Duration {
        self.environment.monotonic()
    }

    fn random(&self) -> u64 {
        self.environment.random()
    }

    fn find_consumer(&self, plugin: &str, key: &str) -> Option<Arc<Consumer>> {
        self.consumers.find(plugin, key)
    }

    fn has_consumers(&self, plugin: &str) -> bool {
        self.consumers.directory.has(plugin)
    }

    fn consumer_by_name(&self, name: &str) -> Option<Arc<Consumer>> {
        self.consumers.by_name(name)
    }

    fn has_upstream(&self, id: &Arc<str>) -> bool {
        let name = UpstreamName::new(Key::new(Kind::Upstream, Arc::clone(id)));
        self.upstreams.get(&name).is_some()
    }

    fn document(&self, key: &Key) -> Option<Arc<Value>> {
        self.set.get(key).map(|resource| Arc::clone(&resource.spec))
    }

    fn outside(&self) -> Arc<dyn Outside> {
        Arc::clone(&self.outside)
    }

    fn hostname(&self) -> &str {
        self.environment.hostname()
    }

    fn https_port(&self) -> Option<u16> {
        self.environment.https_port()
    }

    fn location(&self, address: IpAddr) -> Option<Location> {
        self.environment.location(address)
    }
}
