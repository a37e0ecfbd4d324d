//! An upstream, compiled: nodes, balancer, limits. Immutable but for what is measured.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use weir_model::upstream::Upstream;
use weir_model::{Key, Problem};
use weir_plugin_api::{Context, Living};

use super::balancer::{Balancer, Choice, Chosen};
use super::load::Load;
use super::node::{InFlight, NodeRuntime, NodeState, milliseconds};
use super::transport::Transport;
use crate::tls::node::FindSsl;

/// Where requests of a route go.
#[derive(Debug)]
pub struct UpstreamRuntime {
    /// The resource that carries it: an upstream, or the route or service it is inline in.
    pub key: Key,
    /// Protocol, limits, pool and what `Host` the nodes see.
    pub config: Upstream,
    /// How nodes are spoken to; `None` when the scheme is not HTTP.
    pub transport: Option<Transport>,
    /// What it bears at once.
    pub load: Load,
    nodes: Vec<NodeRuntime>,
    balancer: Arc<Balancer>,
}

/// A node for one try.
#[derive(Debug)]
pub struct Picked {
    /// Position among the nodes of the upstream.
    pub index: usize,
    /// IP address (without brackets), host name, or `unix:` and a path.
    pub host: Arc<str>,
    /// Port.
    pub port: u16,
    /// `Host` for `pass_host: node`: with the port unless it is the scheme's own.
    pub authority: Arc<str>,
}

impl UpstreamRuntime {
    /// Compiles an upstream. What is measured about its nodes, and where its balancer stands, is
    /// found again in `living` as long as the nodes and their balancing stay the same.
    ///
    /// # Errors
    /// What cannot work, with its path.
    pub fn compile(
        key: &Key,
        config: Upstream,
        ssl: FindSsl<'_>,
        living: &Living,
    ) -> Result<Self, Problem> {
        let transport = Transport::compile(&config, ssl, living)?;
        let default = config.scheme.default_port();
        let nodes = config
            .nodes
            .iter()
            .enumerate()
            .map(|(index, node)| {
                // A socket has no port, and whoever listens there knows no name of ours for it.
                let socket = node.socket_path().is_some();
                let port = node
                    .port
                    .or(default)
                    .or_else(|| socket.then_some(0))
                    .ok_or_else(|| {
                        Problem::new(format!("nodes[{index}].port"), "expected a port, got none")
                    })?;
                let shown = if node.host.contains(':') && !socket {
                    format!("[{}]", node.host)
                } else {
                    node.host.clone()
                };
                let authority = if socket {
                    "localhost".to_owned()
                } else if Some(port) == default {
                    shown.clone()
                } else {
                    format!("{shown}:{port}")
                };
                let state_key = format!("node\u{0}{key}\u{0}{shown}:{port}");
                Ok(NodeRuntime {
                    host: Arc::from(node.host.as_str()),
                    port,
                    weight: node.weight,
                    priority: node.priority,
                    authority: Arc::from(authority),
                    state: living.get_or_init(&state_key, NodeState::default),
                })
            })
            .collect::<Result<Vec<_>, Problem>>()?;
        let balancer = living.get_or_init(&balancer_key(key, &config), || {
            Balancer::new(&config.balancer, &nodes)
        });
        let retries = retries(&config);
        let places = nodes
            .iter()
            .map(|node| format!("{}:{}", node.host, node.port));
        let load = Load::compile(key, &config, retries, places, living);
        Ok(Self {
            load,
            key: key.clone(),
            config,
            transport,
            nodes,
            balancer,
        })
    }

    /// The nodes, in the order of the configuration.
    #[must_use]
    pub fn nodes(&self) -> &[NodeRuntime] {
        &self.nodes
    }

    /// Whether nodes are chosen by what stands in the body of the request.
    #[must_use]
    pub fn reads_body(&self) -> bool {
        self.config.balancer.reads_body()
    }

    /// Further tries after the first one.
    #[must_use]
    pub fn retries(&self) -> u32 {
        retries(&self.config)
    }

    /// The next node for this request, counted until the second part is dropped; `None` when none
    /// can be picked. The only node of an upstream is taken again and again.
    #[must_use]
    pub fn pick(&self, context: &Context, tried: &[usize]) -> Option<(Picked, InFlight)> {
        let clock = &context.host;
        let chosen = match self.nodes.len() {
            1 if self.balancer.is_usable() => Chosen {
                node: 0,
                session: None,
            },
            _ => {
                let choice = Choice {
                    variables: context,
                    tried,
                    random: clock.random(),
                    now_ms: milliseconds(clock.monotonic()),
                };
                self.balancer.pick(&self.nodes, &choice)?
            }
        };
        let node = self.nodes.get(chosen.node)?;
        let picked = Picked {
            index: chosen.node,
            host: Arc::clone(&node.host),
            port: node.port,
            authority: Arc::clone(&node.authority),
        };
        let (state, balancer) = (Arc::clone(&node.state), Arc::clone(&self.balancer));
        Some((
            picked,
            InFlight::begin(state, balancer, chosen, Arc::clone(clock)),
        ))
    }
}

fn retries(config: &Upstream) -> u32 {
    let others = u32::try_from(config.nodes.len().saturating_sub(1)).unwrap_or(u32::MAX);
    config.retries.unwrap_or(others)
}

/// Name of a balancer's state: the upstream, the way of balancing, and the nodes in their order.
fn balancer_key(key: &Key, config: &Upstream) -> String {
    let mut hasher = Sha256::new();
    hasher.update(format!("{:?} {:?}", config.balancer, config.scheme));
    for node in &config.nodes {
        let place = (&node.host, node.port, node.weight, node.priority);
        hasher.update(format!("{place:?}"));
    }
    let digest = hasher.finalize();
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("balancer\u{0}{key}\u{0}{hex}")
}
