//! An upstream, compiled: nodes, balancer, limits. Immutable but for what is measured.

use std::sync::Arc;

use weir_model::upstream::Upstream;
use weir_model::{Key, Problem};
use weir_plugin_api::{Context, Living};

use super::balancer::{Balancer, Choice};
use super::node::{InFlight, NodeRuntime, NodeState};

/// Where requests of a route go.
#[derive(Debug)]
pub struct UpstreamRuntime {
    /// The resource that carries it: an upstream, or the route or service it is inline in.
    pub key: Key,
    /// Protocol, limits, pool and what `Host` the nodes see.
    pub config: Upstream,
    nodes: Vec<NodeRuntime>,
    balancer: Balancer,
}

/// A node for one try.
#[derive(Debug)]
pub struct Picked {
    /// Position among the nodes of the upstream.
    pub index: usize,
    /// IP address (without brackets) or host name.
    pub host: Arc<str>,
    /// Port.
    pub port: u16,
    /// `Host` for `pass_host: node`: with the port unless it is the scheme's own.
    pub authority: Arc<str>,
}

impl UpstreamRuntime {
    /// Compiles an upstream. What is measured about its nodes is found again in `living`.
    ///
    /// # Errors
    /// What cannot work, with its path.
    pub fn compile(key: &Key, config: Upstream, living: &Living) -> Result<Self, Problem> {
        let default = config.scheme.default_port();
        let nodes = config
            .nodes
            .iter()
            .enumerate()
            .map(|(index, node)| {
                let port = node.port.or(default).ok_or_else(|| {
                    Problem::new(format!("nodes[{index}].port"), "expected a port, got none")
                })?;
                let shown = if node.host.contains(':') {
                    format!("[{}]", node.host)
                } else {
                    node.host.clone()
                };
                let authority = if Some(port) == default {
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
        let balancer = Balancer::new(&config.balancer, &nodes)
            .map_err(|message| Problem::new("type", message))?;
        Ok(Self {
            key: key.clone(),
            config,
            nodes,
            balancer,
        })
    }

    /// The nodes, in the order of the configuration.
    #[must_use]
    pub fn nodes(&self) -> &[NodeRuntime] {
        &self.nodes
    }

    /// Further tries after the first one.
    #[must_use]
    pub fn retries(&self) -> u32 {
        let others = u32::try_from(self.nodes.len().saturating_sub(1)).unwrap_or(u32::MAX);
        self.config.retries.unwrap_or(others)
    }

    /// The next node for this request, counted until the second part is dropped; `None` when none
    /// can be picked. The only node of an upstream is taken again and again.
    #[must_use]
    pub fn pick(&self, context: &Context, tried: &[usize]) -> Option<(Picked, InFlight)> {
        let clock = &context.host;
        let now_ms = || u64::try_from(clock.monotonic().as_millis()).unwrap_or(u64::MAX);
        let index = match self.nodes.len() {
            0 => None,
            1 => Some(0),
            _ => {
                let choice = Choice {
                    variables: context,
                    tried,
                    random: clock.random(),
                    now_ms: now_ms(),
                };
                self.balancer.pick(&self.nodes, &choice)
            }
        }?;
        let node = self.nodes.get(index)?;
        let picked = Picked {
            index,
            host: Arc::clone(&node.host),
            port: node.port,
            authority: Arc::clone(&node.authority),
        };
        Some((
            picked,
            InFlight::begin(Arc::clone(&node.state), Arc::clone(clock)),
        ))
    }
}
