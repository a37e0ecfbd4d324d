//! Upstreams: nodes, and how to balance over them.

mod balancer;
mod checks;
mod discovery;
mod limits;
mod node;
mod policy;
mod retry;
#[cfg(test)]
mod tests;
mod tls;

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

pub use balancer::{Balancer, ChainedRoundRobin, HashKey};
pub use checks::{ActiveCheck, CheckType, Checks, Healthy, PassiveCheck, Unhealthy};
pub use discovery::{Discovery, DiscoveryArgs};
pub use limits::{Limits, UpstreamLimits};
pub use node::Node;
pub(crate) use node::{check_host, check_socket, split_address};
pub use policy::{
    HttpVersion, KeepalivePool, Locality, LocalityMode, PassHost, ProxyProtocol, Scheme, SlowStart,
    WhenAllUnhealthy,
};
pub use retry::{Hedge, RetryBackoff, RetryBudget, RetryCondition, RetryOn};
pub use tls::UpstreamTls;

use crate::document;
use crate::endpoint::{GRACE, Lookup};
use crate::field::id;
use crate::field::labels::Labels;
use crate::field::timeout::{self, Timeouts};
use crate::resource::{Id, Kind};
use crate::validate::Problem;

/// An upstream in normal form: one spelling of everything, defaults filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct Upstream {
    /// Free name.
    pub name: Option<String>,
    /// Labels.
    pub labels: Labels,
    /// How a node is chosen.
    pub balancer: Balancer,
    /// The nodes, in document order. Empty with discovery, and when the operator wrote none.
    pub nodes: Vec<Node>,
    /// Where nodes come from instead.
    pub discovery: Option<Discovery>,
    /// Protocol towards the nodes.
    pub scheme: Scheme,
    /// Version of HTTP towards the nodes.
    pub http_version: HttpVersion,
    /// Whether, and how, nodes are told the client's address before anything else.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// Further tries after the first; `None` means one less than there are nodes.
    pub retries: Option<u32>,
    /// Time in which a further try may start; `None` is no limit.
    pub retry_timeout: Option<Duration>,
    /// Pause between tries; `None` is no pause.
    pub retry_backoff: Option<RetryBackoff>,
    /// How many further tries are borne.
    pub retry_budget: RetryBudget,
    /// What leads to a further try.
    pub retry_on: RetryOn,
    /// Tries beside a slow one; `None` is none.
    pub hedge: Option<Hedge>,
    /// From the first try to the end of the answer; `None` is no limit.
    pub request_timeout: Option<Duration>,
    /// From the start of a try to the head of its answer; `None` is no limit.
    pub try_timeout: Option<Duration>,
    /// What the upstream and each node take at once.
    pub limits: UpstreamLimits,
    /// Limits per operation.
    pub timeout: Option<Timeouts>,
    /// Which Host the nodes see.
    pub pass_host: PassHost,
    /// The Host for [`PassHost::Rewrite`].
    pub upstream_host: Option<String>,
    /// A connection pool of its own.
    pub keepalive_pool: Option<KeepalivePool>,
    /// Health checks.
    pub checks: Option<Checks>,
    /// TLS towards the nodes.
    pub tls: Option<UpstreamTls>,
    /// Resolvers for host names of nodes, `IP` or `IP:PORT`; empty means those of the process.
    pub dns_resolver: Vec<String>,
    /// How long a resolved name is kept; `None` is the TTL of the record.
    pub dns_ttl: Option<Duration>,
    /// Preference for near nodes.
    pub locality: Option<Locality>,
    /// The upstream to take when no node of this one is usable.
    pub fallback_upstream_id: Option<Id>,
    /// How nodes that are new or healthy again come to their weight; `None` is at once.
    pub slow_start: Option<SlowStart>,
    /// What happens when no node is healthy.
    pub when_all_unhealthy: WhenAllUnhealthy,
}

#[derive(Deserialize)]
struct Raw {
    name: Option<String>,
    #[serde(default)]
    labels: Labels,
    #[serde(rename = "type")]
    balancer: String,
    hash_on: String,
    key: Option<String>,
    chrr_conf: Option<ChainedRoundRobin>,
    nodes: Option<Value>,
    service_name: Option<String>,
    discovery_type: Option<String>,
    discovery_args: Option<DiscoveryArgs>,
    scheme: Scheme,
    #[serde(default)]
    http_version: HttpVersion,
    proxy_protocol: Option<ProxyProtocol>,
    retries: Option<u64>,
    #[serde(default, deserialize_with = "timeout::optional_seconds")]
    retry_timeout: Option<Duration>,
    retry_backoff: Option<RetryBackoff>,
    #[serde(default)]
    retry_budget: RetryBudget,
    #[serde(default)]
    retry_on: RetryOn,
    hedge: Option<Hedge>,
    #[serde(default, deserialize_with = "timeout::optional_seconds")]
    request_timeout: Option<Duration>,
    #[serde(default, deserialize_with = "timeout::optional_seconds")]
    try_timeout: Option<Duration>,
    #[serde(default)]
    limits: UpstreamLimits,
    timeout: Option<Timeouts>,
    pass_host: PassHost,
    upstream_host: Option<String>,
    keepalive_pool: Option<KeepalivePool>,
    checks: Option<Checks>,
    tls: Option<UpstreamTls>,
    #[serde(default)]
    dns_resolver: Vec<String>,
    #[serde(default, deserialize_with = "timeout::optional_seconds")]
    dns_ttl: Option<Duration>,
    locality: Option<Locality>,
    #[serde(default, deserialize_with = "id::optional")]
    fallback_upstream_id: Option<Id>,
    slow_start: Option<SlowStart>,
    #[serde(default)]
    when_all_unhealthy: WhenAllUnhealthy,
}

impl Upstream {
    /// What is looked up to find its nodes; `None` when it states them itself.
    #[must_use]
    pub fn lookup(&self) -> Option<Lookup> {
        let discovery = self.discovery.as_ref()?;
        let args = &discovery.args;
        let dns = discovery.kind == "dns";
        Some(Lookup {
            kind: discovery.kind.clone(),
            registry: args.registry.clone(),
            service_name: discovery.service_name.clone(),
            namespace_id: args.namespace_id.clone(),
            group_name: args.group_name.clone(),
            resolvers: if dns {
                self.dns_resolver.clone()
            } else {
                Vec::new()
            },
            ttl: self.dns_ttl.filter(|_| dns),
            grace: args.grace_time.unwrap_or(GRACE),
        })
    }

    /// What is looked up to find the addresses of its nodes: each name once, in order.
    #[must_use]
    pub fn names(&self) -> Vec<Lookup> {
        let named = self.nodes.iter().filter(|node| node.is_named());
        let mut names: Vec<&str> = named.map(|node| node.host.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        let lookup = |name: &str| Lookup::of_name(name, self);
        names.into_iter().map(lookup).collect()
    }

    /// Reads an upstream, whether it is an object of its own or written inside another: schema
    /// checked, defaults filled, spellings unified.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(spec: &Value) -> Result<Self, Problem> {
        document::read(Kind::Upstream, spec).and_then(Self::from_raw)
    }

    /// Reads an upstream inside a document whose schema has been checked already.
    pub(crate) fn inline(doc: Value) -> Result<Self, Problem> {
        document::typed(doc)
            .and_then(Self::from_raw)
            .map_err(|problem| problem.inside("upstream"))
    }

    fn from_raw(raw: Raw) -> Result<Self, Problem> {
        let nodes = raw.nodes.as_ref().map(node::parse).transpose()?;
        let discovery = match (raw.discovery_type, raw.service_name) {
            (Some(kind), Some(service_name)) => Some(Discovery {
                kind,
                service_name,
                args: raw.discovery_args.unwrap_or_default(),
            }),
            _ => None,
        };
        Ok(Self {
            name: raw.name,
            labels: raw.labels,
            balancer: Balancer::from_parts(raw.balancer, &raw.hash_on, raw.key, raw.chrr_conf),
            nodes: nodes.unwrap_or_default(),
            discovery,
            scheme: raw.scheme,
            http_version: raw.http_version,
            proxy_protocol: raw.proxy_protocol,
            retries: raw
                .retries
                .map(|count| u32::try_from(count).unwrap_or(u32::MAX)),
            // 0 is how APISIX spells "no limit".
            retry_timeout: raw.retry_timeout.filter(|limit| !limit.is_zero()),
            retry_backoff: raw.retry_backoff,
            retry_budget: raw.retry_budget,
            retry_on: raw.retry_on,
            hedge: raw.hedge,
            request_timeout: raw.request_timeout,
            try_timeout: raw.try_timeout,
            limits: raw.limits.checked()?,
            timeout: raw.timeout,
            pass_host: raw.pass_host,
            upstream_host: raw.upstream_host,
            keepalive_pool: raw.keepalive_pool,
            checks: raw.checks,
            tls: raw.tls,
            dns_resolver: raw.dns_resolver,
            dns_ttl: raw.dns_ttl,
            locality: raw.locality,
            fallback_upstream_id: raw.fallback_upstream_id,
            slow_start: raw.slow_start,
            when_all_unhealthy: raw.when_all_unhealthy,
        })
    }
}
