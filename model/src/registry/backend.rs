//! What is particular to each type of registry. Field names are those of APISIX's static config.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::field::{resolver, timeout};

/// A registry of one type.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Backend {
    /// Consul catalog and health.
    Consul(Consul),
    /// Nodes in Consul's key-value store.
    ConsulKv(Consul),
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
            Backend::ConsulKv(_) => "consul_kv",
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

/// Consul: its catalog, or its key-value store.
#[derive(Clone, PartialEq, Deserialize)]
pub struct Consul {
    /// Base URLs.
    pub servers: Vec<String>,
    /// ACL token or secret reference; empty for none.
    pub token: String,
    /// Datacenter; that of the server when unset.
    pub datacenter: Option<String>,
    /// Namespace (Consul Enterprise).
    pub namespace: Option<String>,
    /// Admin partition (Consul Enterprise).
    pub partition: Option<String>,
    /// Whether a server that is not the leader may answer, with data that may be old.
    pub stale: bool,
    /// Tags that an instance must all have; catalog only.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Folder of the services; key-value store only.
    #[serde(default)]
    pub prefix: String,
    /// Keys that are not read; key-value store only.
    #[serde(default)]
    pub skip_keys: Vec<String>,
    /// Limits.
    pub timeout: ConsulTimeouts,
    /// Weight of a node that states none.
    pub weight: u32,
    /// Pause between two rounds, in seconds.
    pub fetch_interval: u64,
    /// Long polling (true) or plain polling.
    pub keepalive: bool,
    /// Services that are not read; catalog only.
    #[serde(default)]
    pub skip_services: Vec<String>,
    /// Order of the nodes, which are sorted by address in any case; catalog only.
    #[serde(default)]
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
    /// Path of the HTTP API.
    pub prefix: String,
    /// Whether changes are pushed over gRPC; else the HTTP list is polled.
    pub grpc: bool,
    /// Port of gRPC; 1000 above that of HTTP when unset.
    pub grpc_port: Option<u16>,
    /// Namespace of upstreams that name none.
    pub namespace_id: String,
    /// Group of upstreams that name none.
    pub group_name: String,
    /// Clusters whose instances are taken; all when empty.
    #[serde(default)]
    pub clusters: Vec<String>,
    /// User, instead of the one in the URL; empty for none.
    pub username: String,
    /// Password or secret reference.
    pub password: String,
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
    /// User of basic authentication, instead of the one in the URL; empty for none.
    pub username: String,
    /// Password or secret reference.
    pub password: String,
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
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Dns {
    /// Resolvers, `IP` or `IP:PORT`.
    #[serde(default, deserialize_with = "resolver::list")]
    pub servers: Vec<SocketAddr>,
    /// Domains that are tried behind names with few dots; those of the file when unset.
    #[serde(default)]
    pub search: Vec<String>,
    /// Ask by TCP only; else by UDP, and by TCP when an answer is too large for it.
    pub tcp: bool,
    /// Milliseconds that one question may take.
    pub timeout: u64,
    /// Answers are kept at least this long, whatever the records say.
    #[serde(deserialize_with = "timeout::seconds")]
    pub min_ttl: Duration,
    /// And at most this long.
    #[serde(deserialize_with = "timeout::seconds")]
    pub max_ttl: Duration,
    /// How long it is kept that there is no such name.
    #[serde(deserialize_with = "timeout::seconds")]
    pub negative_ttl: Duration,
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
    /// File with addresses and credentials of clusters, instead of `service` and `client`.
    pub kubeconfig: Option<String>,
    /// Which context of that file; its current one when unset.
    pub context: Option<String>,
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
    /// Seconds that a watch lasts before the next goes on where it ended.
    pub watch_timeout: u64,
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
