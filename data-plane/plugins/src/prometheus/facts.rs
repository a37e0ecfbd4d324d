//! Facts of the agent as a whole, which it hands in at each scrape.

use std::net::IpAddr;
use std::time::Duration;

/// Node-level metrics. They are there whether or not any route has the plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeFacts {
    /// What APISIX's metrics start with (`plugin_attr.prometheus.metric_prefix`), default `apisix_`.
    pub metric_prefix: String,
    /// Name of the agent's host.
    pub hostname: String,
    /// Version of Weir.
    pub version: String,
    /// Client requests since the start.
    pub requests: u64,
    /// Client connections.
    pub connections: Connections,
    /// Connections to nodes.
    pub pools: Pools,
    /// What was told of services in registries.
    pub discovered: Vec<Discovered>,
    /// Failures by reason, tries included.
    pub failures: Vec<(&'static str, u64)>,
    /// Health of the nodes of upstreams that have health checks.
    pub upstreams: Vec<UpstreamNode>,
    /// Whether a control node is reachable (`etcd_reachable`).
    pub config_reachable: bool,
    /// Revision of the configuration in use, per kind in plural and as `max_modify_index`
    /// (`etcd_modify_indexes`).
    pub modify_indexes: Vec<(String, u64)>,
}

impl Default for NodeFacts {
    fn default() -> Self {
        Self {
            metric_prefix: "apisix_".into(),
            hostname: String::new(),
            version: String::new(),
            requests: 0,
            connections: Connections::default(),
            pools: Pools::default(),
            discovered: Vec::new(),
            failures: Vec::new(),
            upstreams: Vec::new(),
            config_reachable: false,
            modify_indexes: Vec::new(),
        }
    }
}

/// Client connections, in nginx's terms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Connections {
    /// Accepted since the start.
    pub accepted: u64,
    /// Handled since the start; the difference to `accepted` was refused for lack of room.
    pub handled: u64,
    /// Open now.
    pub active: u64,
    /// Of those, reading a request head.
    pub reading: u64,
    /// Of those, working on a request.
    pub writing: u64,
    /// Of those, idle between requests.
    pub waiting: u64,
}

/// Connections to nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pools {
    /// Opened since the start.
    pub opened: u64,
    /// Requests that took an idle one.
    pub reused: u64,
    /// Idle now.
    pub idle: u64,
    /// Those to each node.
    pub nodes: Vec<UpstreamConnections>,
}

/// Connections to one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamConnections {
    /// Address of the node.
    pub node: String,
    /// Those that requests or streams use.
    pub active: u64,
    /// Those that are kept for later.
    pub idle: u64,
}

/// What this agent was told of a service in a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovered {
    /// Name of the lookup.
    pub lookup: String,
    /// How many endpoints there are.
    pub endpoints: usize,
    /// For how long they have been the same.
    pub changed: Duration,
}

/// Health of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamNode {
    /// Name of the upstream, as `/apisix/upstreams/1`.
    pub name: String,
    /// Address of the node.
    pub ip: IpAddr,
    /// Port of the node.
    pub port: u16,
    /// Whether it is healthy.
    pub healthy: bool,
}
