//! The parts of an upstream, made of its configuration.

use std::net::IpAddr;
use std::sync::Arc;

use weir_model::upstream::{Balancer as Kind, Node, Upstream};
use weir_model::{Key, Problem};
use weir_plugin_api::Living;

use super::balancer::{Members, Table, Totals};
use super::fingerprint;
use super::health::node::Builder;
use super::locality::{self, Home};
use super::node::{NodeRuntime, NodeState};
use super::runtime::Surroundings;
use super::selection::Standing;

/// Compiles one node.
///
/// # Errors
/// A node without a port, with its path.
pub(super) fn compile_node(
    index: usize,
    config: &Upstream,
    node: &Node,
) -> Result<NodeRuntime, Problem> {
    let port = node.port.or_else(|| config.scheme.default_port());
    // A socket has no port.
    let port = port.or_else(|| node.socket_path().map(|_| 0));
    let port = port
        .ok_or_else(|| Problem::new(format!("nodes[{index}].port"), "expected a port, got none"))?;
    let socket = node.socket_path().is_some();
    let shown = if node.host.contains(':') && !socket {
        format!("[{}]", node.host)
    } else {
        node.host.clone()
    };
    let authority = if socket {
        // Whoever listens there knows no name of ours for it.
        "localhost".to_owned()
    } else if Some(port) == config.scheme.default_port() {
        shown.clone()
    } else {
        format!("{shown}:{port}")
    };
    let place = match node.address {
        Some(IpAddr::V4(address)) => format!("{address}:{port}"),
        Some(IpAddr::V6(address)) => format!("[{address}]:{port}"),
        None => format!("{shown}:{port}"),
    };
    let place: Arc<str> = Arc::from(place);
    Ok(NodeRuntime {
        ip: node.address.or_else(|| node.host.parse().ok()),
        host: Arc::from(node.host.as_str()),
        authority: if *authority == *place {
            Arc::clone(&place)
        } else {
            Arc::from(authority)
        },
        place,
        port,
        port_is_given: node.port.is_some(),
        weight: node.weight,
        priority: node.priority,
        state: None,
        health: None,
    })
}

/// Finds again what was measured about a node, and its health.
pub(super) fn recall(
    node: &mut NodeRuntime,
    key: &Key,
    health: Option<&Builder<'_>>,
    around: Surroundings<'_>,
) {
    let place = node.label(&format!("node\u{0}{key}"));
    let living = around.living;
    let state: Arc<NodeState> = living.get_or_init(&place, || NodeState::new(around.now_ms));
    // A socket or a name without an address is not probed, and requests do not judge it.
    node.health = {
        let mut newest = state.health();
        *newest = health
            .zip(node.ip)
            .map(|(health, ip)| health.target(&node.host, ip, node.port, newest.as_deref()));
        newest.clone()
    };
    node.state = Some(state);
}

/// Whether there is nothing to choose and nothing to remember: one node that is served, and
/// nothing that depends on what it did before.
pub(super) fn is_plain(config: &Upstream, served: &[(usize, Standing)]) -> bool {
    let forgetful = matches!(config.balancer, Kind::RoundRobin | Kind::ConsistentHash(_));
    config.nodes.len() == 1 && served.len() == 1 && forgetful && config.slow_start.is_none()
}

/// The nodes that are served, and the same by priority, highest first. Weight 0 gets nothing,
/// unless all have it: then all are served evenly.
pub(super) fn serve(config: &Upstream, home: &Home) -> (Vec<(usize, Standing)>, Vec<Members>) {
    let near: Vec<(usize, &Node, u8)> = config
        .nodes
        .iter()
        .enumerate()
        .filter_map(|(at, node)| {
            let distance = locality::distance(node, config.locality.as_ref(), home)?;
            Some((at, node, distance))
        })
        .collect();
    let even = near.iter().all(|(_, node, _)| node.weight == 0);
    let mut priorities: Vec<i32> = near
        .iter()
        .filter(|(_, node, _)| even || node.weight > 0)
        .map(|(_, node, _)| node.priority)
        .collect();
    priorities.sort_unstable_by(|a, b| b.cmp(a));
    priorities.dedup();
    let mut served = Vec::new();
    let mut groups = Vec::new();
    for (group, priority) in priorities.into_iter().enumerate() {
        let mut members = Members::default();
        for (at, node, distance) in &near {
            let weight = if even { 1 } else { node.weight };
            if node.priority != priority || weight == 0 {
                continue;
            }
            let standing = Standing {
                weight,
                group,
                distance: *distance,
            };
            served.push((*at, standing));
            members.positions.push(*at);
            members.weights.push(weight);
        }
        groups.push(members);
    }
    (served, groups)
}

/// The sessions of a chained upstream: they outlive changes of its nodes.
pub(super) fn sessions(key: &Key, config: &Upstream, living: &Living) -> Arc<Table> {
    let totals = Totals::of(living);
    let place = format!("sessions\u{0}{key}\u{0}{}", fingerprint(&config.balancer));
    match config.balancer {
        Kind::Chained { .. } => living.get_or_init(&place, || Table::new(totals)),
        _ => Arc::new(Table::new(totals)),
    }
}

/// Further tries after the first one, with this many nodes.
pub(super) fn retries(config: &Upstream, nodes: usize) -> u32 {
    let others = u32::try_from(nodes.saturating_sub(1)).unwrap_or(u32::MAX);
    config.retries.unwrap_or(others)
}

/// Name of a balancer's state: the upstream, the way of balancing, and the nodes in their order.
pub(super) fn balancer_key(key: &Key, config: &Upstream, members: &[Members]) -> String {
    let nodes: Vec<_> = config
        .nodes
        .iter()
        .map(|node| (&node.host, node.address, node.port))
        .collect();
    let digest = fingerprint(&(&config.balancer, config.scheme, nodes, members));
    format!("balancer\u{0}{key}\u{0}{digest}")
}
