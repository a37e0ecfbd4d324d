//! Health of nodes as a JSON document: the same in the Admin API and on the command line.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use weir_model::Key;

use crate::health::{AgentHealth, Counters, GetResponse, NodeHealth};

/// The document of an answer.
#[must_use]
pub fn document(told: &GetResponse) -> Value {
    let mut body = Map::new();
    let key = told.key.clone().map(Key::try_from);
    let key = key.and_then(Result::ok).map(|key| key.admin_path());
    body.insert("key".to_owned(), key.into());
    body.insert("checked".to_owned(), told.checked.into());
    body.insert("status".to_owned(), status(&told.agents).into());
    if let Some(message) = message(told) {
        body.insert("message".to_owned(), message.into());
    }
    body.insert("nodes".to_owned(), nodes(&told.agents));
    let agents: Value = told.agents.iter().map(agent).collect();
    body.insert("agents".to_owned(), agents);
    body.insert("connected_agents".to_owned(), told.connected_agents.into());
    body.insert(
        "unreachable_nodes".to_owned(),
        told.unreachable_nodes.clone().into(),
    );
    Value::Object(body)
}

/// Why there is nothing to show; `None` when there is something.
#[must_use]
pub fn message(told: &GetResponse) -> Option<String> {
    if !told.agents.is_empty() {
        return None;
    }
    Some(match (told.checked, told.connected_agents) {
        (false, _) => "the upstream has no health checks".to_owned(),
        (true, 0) => "no agent has reported on it: none is connected".to_owned(),
        (true, count) => format!("none of the {count} connected agents has reported on it"),
    })
}

/// All nodes in one word: `healthy`, `degraded`, `unhealthy` or `unknown`.
#[must_use]
pub fn status(agents: &[AgentHealth]) -> &'static str {
    let (mut up, mut down) = (0, 0);
    for node in agents.iter().flat_map(nodes_of) {
        if is_usable(node) { up += 1 } else { down += 1 }
    }
    match (up, down) {
        (0, 0) => "unknown",
        (_, 0) => "healthy",
        (0, _) => "unhealthy",
        _ => "degraded",
    }
}

fn nodes_of(agent: &AgentHealth) -> impl Iterator<Item = &NodeHealth> {
    agent.upstream.iter().flat_map(|upstream| &upstream.nodes)
}

/// Whether requests go to a node.
#[must_use]
pub fn is_usable(node: &NodeHealth) -> bool {
    matches!(node.status.as_str(), "healthy" | "mostly_healthy")
}

/// Each node as all agents together see it.
fn nodes(agents: &[AgentHealth]) -> Value {
    let mut counts: BTreeMap<(&str, u32, &str), (u64, u64)> = BTreeMap::new();
    for node in agents.iter().flat_map(nodes_of) {
        let place = (node.host.as_str(), node.port, node.ip.as_str());
        let (up, down) = counts.entry(place).or_default();
        *(if is_usable(node) { up } else { down }) += 1;
    }
    let shown = counts.into_iter().map(|((host, port, ip), (up, down))| {
        let status = match (up, down) {
            (_, 0) => "healthy",
            (0, _) => "unhealthy",
            _ => "mixed",
        };
        json!({"host": host, "port": port, "ip": ip, "status": status,
            "healthy_agents": up, "unhealthy_agents": down})
    });
    shown.collect()
}

fn agent(agent: &AgentHealth) -> Value {
    let upstream = agent.upstream.clone().unwrap_or_default();
    json!({
        "name": agent.name,
        "instance": agent.instance,
        "region": agent.region,
        "group": agent.group,
        "control_node": agent.node_id,
        "reported_ms": agent.reported_ms,
        "type": upstream.check,
        "all_unhealthy": upstream.all_unhealthy,
        "fallback_in_use": text(&upstream.fallback),
        "nodes": upstream.nodes.iter().map(node).collect::<Value>(),
        "nodes_left_out": upstream.left_out,
    })
}

fn node(node: &NodeHealth) -> Value {
    let Counters {
        successes,
        http_failures,
        tcp_failures,
        timeouts,
    } = node.counters.unwrap_or_default();
    json!({
        "host": node.host,
        "ip": node.ip,
        "port": node.port,
        "probed_port": number(u64::from(node.probed_port)),
        "healthy": is_usable(node),
        "status": node.status,
        "since_ms": number(node.since_ms),
        "reason": text(&node.reason),
        "last_error": text(&node.last_error),
        "last_error_ms": number(node.last_error_ms),
        "counter": {
            "success": successes,
            "http_failure": http_failures,
            "tcp_failure": tcp_failures,
            "timeout_failure": timeouts,
        },
        "ejected_until_ms": number(node.ejected_until_ms),
        "slow_start_until_ms": number(node.slow_start_until_ms),
    })
}

/// `null` for what never was.
fn text(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn number(number: u64) -> Option<u64> {
    (number > 0).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::UpstreamHealth;

    fn seen(name: &str, statuses: &[&str]) -> AgentHealth {
        let node = |(at, status): (usize, &&str)| NodeHealth {
            host: "10.0.0.1".to_owned(),
            ip: "10.0.0.1".to_owned(),
            port: 80 + at as u32,
            status: (*status).to_owned(),
            ..NodeHealth::default()
        };
        AgentHealth {
            name: name.to_owned(),
            upstream: Some(UpstreamHealth {
                nodes: statuses.iter().enumerate().map(node).collect(),
                ..UpstreamHealth::default()
            }),
            ..AgentHealth::default()
        }
    }

    fn shown(told: GetResponse) -> Value {
        let key: Key = "upstreams/1".parse().unwrap();
        document(&GetResponse {
            key: Some((&key).into()),
            ..told
        })
    }

    #[test]
    fn agents_may_see_a_node_differently() {
        let told = GetResponse {
            agents: vec![
                seen("a", &["healthy", "unhealthy", "mostly_healthy"]),
                seen("b", &["healthy", "mostly_unhealthy", "unhealthy"]),
            ],
            checked: true,
            connected_agents: 2,
            unreachable_nodes: vec![3],
            ..GetResponse::default()
        };
        let body = shown(told);
        assert_eq!(body["key"], "/apisix/upstreams/1");
        assert_eq!(body["status"], "degraded");
        assert_eq!(body.get("message"), None);
        let nodes: Vec<_> = body["nodes"].as_array().unwrap().iter().collect();
        let of_nodes: Vec<_> = nodes.iter().map(|node| &node["status"]).collect();
        assert_eq!(of_nodes, ["healthy", "unhealthy", "mixed"]);
        assert_eq!(nodes[2]["healthy_agents"], 1);
        assert_eq!(body["agents"][1]["nodes"][1]["healthy"], false);
        assert_eq!(body["agents"][0]["nodes"][0]["since_ms"], Value::Null);
        assert_eq!(body["unreachable_nodes"], json!([3]));
    }

    #[test]
    fn nothing_to_tell_is_told_with_its_cause() {
        for (checked, connected_agents, expected) in [
            (false, 2, "the upstream has no health checks"),
            (true, 0, "no agent has reported on it: none is connected"),
            (true, 2, "none of the 2 connected agents has reported on it"),
        ] {
            let told = GetResponse {
                checked,
                connected_agents,
                ..GetResponse::default()
            };
            let body = shown(told);
            assert_eq!(body["message"], expected);
            assert_eq!(body["status"], "unknown");
            assert_eq!(body["agents"], json!([]));
        }
    }
}
