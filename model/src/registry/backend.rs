//! What is particular to each type of registry. Field names are those of APISIX's static config.

use serde::Deserialize;
use serde_json::{Map, Value};

/// A registry of one type.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Backend {
    /// Consul catalog and health.
    Consul(Consul),
    /// Nacos instance lists.
    Nacos(Nacos),
    /// Eureka apps.
    Eureka(Eureka),
    /// DNS records.
    Dns(Dns),
    /// Kubernetes endpoints.
    Kubernetes(Box<Kubernetes>),
}

impl Backend {
    /// The `type` of the document.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Backend::Consul(_) => "consul",
            Backend::Nacos(_) => "nacos",
            Backend::Eureka(_) => "eureka",
            Backend::Dns(_) => "dns",
            Backend::Kubernetes(_) => "kubernetes",
        }
    }
}

impl std::fmt::Debug for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Tokens and passwords stay out of logs.
        write!(f, "Backend({})", self.kind())
    }
}

/// Consul.
#[derive(Clone, PartialEq, Deserialize)]
pub struct Consul {
    /// Base URLs.
    pub servers: Vec<String>,
    /// ACL token or secret reference; empty for none.
    pub token: String,
    /// Limits.
    pub timeout: ConsulTimeouts,
    /// Weight of a node that states none.
    pub weight: u32,
    /// Pause between two rounds, in seconds.
    pub fetch_interval: u64,
    /// Long polling (true) or plain polling.
    pub keepalive: bool,
    /// Services that are not read.
    #[serde(default)]
    pub skip_services: Vec<String>,
    /// Order of the nodes.
    pub sort_type: String,
    /// Node for services that do not exist.
    pub default_service: Option<DefaultService>,
}

/// Limits of Consul requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct ConsulTimeouts {
    /// Milliseconds to connect.
    pub connect: u64,
    /// Milliseconds to read.
    pub read: u64,
    /// Seconds that a long poll waits.
    pub wait: u64,
}

/// The node that stands in for an unknown service.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct DefaultService {
    /// Host.
    pub host: Option<String>,
    /// Port.
    pub port: Option<u16>,
    /// Weight and the like.
    #[serde(default)]
    pub metadata: Map<String, Value>,
}

/// Nacos.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct Nacos {
    /// Base URLs, with `user:password@` where a login is needed.
    pub host: Vec<String>,
    /// Path of the API.
    pub prefix: String,
    /// Seconds between two rounds.
    pub fetch_interval: u64,
    /// Weight of an instance that states none.
    pub weight: u32,
    /// Limits.
    pub timeout: HttpTimeouts,
    /// Access key; empty for none.
    pub access_key: String,
    /// Its secret.
    pub secret_key: String,
}

/// Limits of requests to a registry, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct HttpTimeouts {
    /// To connect.
    pub connect: u64,
    /// To send.
    pub send: u64,
    /// To read.
    pub read: u64,
}

impl Default for HttpTimeouts {
    fn default() -> Self {
        Self {
            connect: 2000,
            send: 2000,
            read: 5000,
        }
    }
}

/// Eureka.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct Eureka {
    /// Base URLs.
    pub host: Vec<String>,
    /// Path of the API; `/eureka/` when unset.
    pub prefix: Option<String>,
    /// Seconds between two rounds.
    pub fetch_interval: u64,
    /// Weight of an instance that states none; 100 when unset.
    pub weight: Option<u32>,
    /// Limits.
    #[serde(default)]
    pub timeout: HttpTimeouts,
}

/// DNS.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct Dns {
    /// Resolvers, `IP` or `IP:PORT`.
    #[serde(default)]
    pub servers: Vec<String>,
    /// File that names them instead.
    pub resolv_conf: Option<String>,
    /// Record types in the order in which they are tried.
    #[serde(default)]
    pub order: Vec<String>,
}

/// Kubernetes.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct Kubernetes {
    /// The API server.
    pub service: KubernetesService,
    /// How it is authenticated to.
    pub client: KubernetesClient,
    /// Weight of an endpoint.
    pub default_weight: u32,
    /// Which namespaces are read.
    pub namespace_selector: Option<NamespaceSelector>,
    /// Which objects are read.
    pub label_selector: Option<String>,
    /// EndpointSlices instead of Endpoints.
    pub watch_endpoint_slices: bool,
}

/// Address of the API server; host and port may be `${ENVIRONMENT_VARIABLE}`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct KubernetesService {
    /// `http` or `https`.
    pub schema: String,
    /// Host.
    pub host: String,
    /// Port.
    pub port: String,
    /// Whether its certificate is verified.
    pub ssl_verify: Option<bool>,
}

/// Credentials for the API server.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct KubernetesClient {
    /// Token, or `${ENVIRONMENT_VARIABLE}`.
    pub token: Option<String>,
    /// File that holds it.
    pub token_file: Option<String>,
}

/// A choice of namespaces; at most one field is set.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct NamespaceSelector {
    /// This one.
    pub equal: Option<String>,
    /// All but this one.
    pub not_equal: Option<String>,
    /// Those that match one of the patterns.
    #[serde(default, rename = "match")]
    pub matches: Vec<String>,
    /// Those that match none of the patterns.
    #[serde(default)]
    pub not_match: Vec<String>,
}
