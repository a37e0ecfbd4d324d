//! The parts of an upstream, made of its configuration.

use std::net::IpAddr;
use std::sync::Arc;

use weir_model::Key;
use weir_model::upstream::{Balancer as Kind, Node, Upstream};
use weir_plugin_api::Living;

use super::balancer::{Members, Table, Totals};
use super::fingerprint;
use super::health::node::Builder;
use super::locality::{self, Home};
use super::node::{NodeRuntime, NodeState};
use super::runtime::Surroundings;
use super::selection::Standing;

/// Compiles one node, finding again what was measured about it, and its health.
pub(super) fn compile_node(
    key: &Key,
    config: &Upstream,
    node: &Node,
    port: u16,
    health: Option<&Builder<'_>>,
    around: Surroundings<'_>,
) -> NodeRuntime {
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
    let mut compiled = NodeRuntime {
        ip: node.address.or_else(|| node.host.parse().ok()),
        host: Arc::from(node.host.as_str()),
        place: Arc::from(place),
        port,
        weight: node.weight,
        priority: node.priority,
        authority: Arc::from(authority),
        state: Arc::default(),
        health: None,
    };
    let state = compiled.label(&format!("node\u{0}{key}"));
    let living = around.living;
    compiled.state = living.get_or_init(&state, || NodeState::new(around.now_ms));
    // A socket or a name without an address is not probed, and requests do not judge it.
    compiled.health = {
        let mut newest = compiled.state.health();
        *newest = health
            .zip(compiled.ip)
            .map(|(health, ip)| health.target(&compiled.host, ip, port, newest.as_deref()));
        newest.clone()
    };
    compiled
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

/// Further tries after the first one.
pub(super) fn retries(config: &Upstream) -> u32 {
    let others = u32::try_from(config.nodes.len().saturating_sub(1)).unwrap_or(u32::MAX);
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
