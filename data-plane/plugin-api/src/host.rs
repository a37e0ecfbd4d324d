//! Services that the proxy offers to plugins.

use std::any::Any;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use weir_model::Key;

use crate::outside::Outside;

/// A consumer, as an authentication plugin finds it.
#[derive(Debug, Clone, Default)]
pub struct Consumer {
    /// `username`.
    pub name: String,
    /// `group_id`, when it has one.
    pub group_id: Option<String>,
    /// Labels; `custom_id` becomes `X-Consumer-Custom-ID`.
    pub labels: BTreeMap<String, String>,
    /// Id of the credential object that matched, when one did.
    pub credential_id: Option<String>,
    /// The configuration of the plugin that matched, from the consumer or the credential.
    pub auth_config: Arc<Value>,
    /// What that plugin made of it beforehand.
    pub prepared: Prepared,
}

/// What a plugin made of a consumer's part when the configuration was compiled; nothing by default.
#[derive(Clone, Default)]
pub struct Prepared(Option<Arc<dyn Any + Send + Sync>>);

impl Prepared {
    /// Wraps what was made.
    pub fn new<T: Any + Send + Sync>(made: T) -> Self {
        Self(Some(Arc::new(made)))
    }

    /// What was made, if it is of this type.
    #[must_use]
    pub fn get<T: Any>(&self) -> Option<&T> {
        self.0.as_deref()?.downcast_ref()
    }
}

impl std::fmt::Debug for Prepared {
    /// Shows nothing of what is inside: it may be a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() {
            "Prepared"
        } else {
            "Nothing"
        })
    }
}

/// Where an address is, by the file that the agent's configuration names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Location {
    /// ISO 3166 code of the country: `DE`.
    pub country: Option<String>,
    /// Code of the continent: `EU`.
    pub continent: Option<String>,
}

/// What a plugin may ask of the proxy while a request runs. One request sees one revision: the
/// answers of one `Host` never change between two calls, clock and randomness apart.
pub trait Host: Send + Sync {
    /// Milliseconds since the epoch.
    fn unix_ms(&self) -> u64;

    /// Time since an arbitrary start; never goes back.
    fn monotonic(&self) -> Duration;

    /// 64 random bits, not for secrets.
    fn random(&self) -> u64;

    /// The consumer whose `plugin` configuration has this unique key (for example key-auth `key`).
    fn find_consumer(&self, plugin: &str, key: &str) -> Option<Arc<Consumer>>;

    /// Whether some consumer has a configuration of `plugin`.
    fn has_consumers(&self, _plugin: &str) -> bool {
        true
    }

    /// The consumer with this username (for `anonymous_consumer`).
    fn consumer_by_name(&self, name: &str) -> Option<Arc<Consumer>>;

    /// Whether there is an upstream object of this id.
    fn has_upstream(&self, id: &Arc<str>) -> bool;

    /// The document of a resource, as it is stored.
    fn document(&self, _key: &Key) -> Option<Arc<Value>> {
        None
    }

    /// What can be reached beyond nodes.
    fn outside(&self) -> Arc<dyn Outside>;

    /// Name of this agent's host, for logs and metrics.
    fn hostname(&self) -> &str;

    /// Port at which clients reach the gateway by TLS; `None` when it has none.
    fn https_port(&self) -> Option<u16>;

    /// Where an address is; `None` when it is not known.
    fn location(&self, address: IpAddr) -> Option<Location>;
}
