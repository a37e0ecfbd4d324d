//! Nodes of an upstream, from both of their forms.

use std::net::IpAddr;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::field::number;
use crate::validate::Problem;

/// What the host of a node that is a Unix socket begins with.
const SOCKET: &str = "unix:";
/// Longest path that the kernel takes.
const LONGEST_SOCKET: usize = 107;

/// One node.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Name or address, IPv6 without brackets; or `unix:` and the path of a socket.
    pub host: String,
    /// The address of the name that this node stands for, once the name is resolved: each of its
    /// addresses is a node. Never part of a document.
    pub address: Option<IpAddr>,
    /// Port; `None` is the default of the scheme. A socket has none.
    pub port: Option<u16>,
    /// Share of the traffic; 0 gets none unless all nodes have 0.
    pub weight: u32,
    /// Larger first; lower ones only after all of the higher failed.
    pub priority: i32,
    /// Free facts; `region` and `zone` matter for locality.
    pub metadata: Map<String, Value>,
}

impl Node {
    /// The path, when the node is a Unix socket (`unix:/path`).
    #[must_use]
    pub fn socket_path(&self) -> Option<&str> {
        self.host.strip_prefix(SOCKET)
    }

    /// Whether the host is a name, which has to be resolved.
    #[must_use]
    pub fn is_named(&self) -> bool {
        self.host.parse::<IpAddr>().is_err() && self.socket_path().is_none()
    }

    /// The `region` of the metadata.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        self.metadata.get("region").and_then(Value::as_str)
    }

    /// The `zone` of the metadata.
    #[must_use]
    pub fn zone(&self) -> Option<&str> {
        self.metadata.get("zone").and_then(Value::as_str)
    }
}

#[derive(Deserialize)]
struct Raw {
    host: String,
    port: Option<u16>,
    weight: f64,
    #[serde(default)]
    priority: f64,
    #[serde(default)]
    metadata: Map<String, Value>,
}

/// Reads `nodes`: a map from `host:port` to weight, or a list of objects.
pub(super) fn parse(nodes: &Value) -> Result<Vec<Node>, Problem> {
    match nodes {
        Value::Object(map) => map
            .iter()
            .map(|(address, weight)| from_entry(address, weight))
            .collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| from_item(index, item))
            .collect(),
        other => Err(Problem::new(
            "nodes",
            format!("expected a map or a list of nodes, got {other}"),
        )),
    }
}

fn from_entry(address: &str, weight: &Value) -> Result<Node, Problem> {
    let path = || format!("nodes[{address:?}]");
    let (host, port) = split_address(address).map_err(|message| Problem::new(path(), message))?;
    let weight = match weight {
        Value::Number(weight) => number::integral(weight),
        _ => None,
    };
    let weight = weight.ok_or_else(|| Problem::new(path(), "expected a weight of 0 or more"))?;
    Ok(Node {
        host: host.to_owned(),
        address: None,
        port,
        weight: u32::try_from(weight).unwrap_or(u32::MAX),
        priority: 0,
        metadata: Map::new(),
    })
}

fn from_item(index: usize, item: &Value) -> Result<Node, Problem> {
    let raw = Raw::deserialize(item)
        .map_err(|error| Problem::new(format!("nodes[{index}]"), error.to_string()))?;
    Ok(Node {
        host: bare(&raw.host).to_owned(),
        address: None,
        port: raw.port,
        // Float-to-int casts saturate.
        weight: raw.weight as u32,
        priority: raw.priority as i32,
        metadata: raw.metadata,
    })
}

fn bare(host: &str) -> &str {
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host)
}

/// Checks a host that is a Unix socket; any other is fine.
///
/// # Errors
/// What was expected, and what came.
pub(crate) fn check_socket(host: &str) -> Result<(), String> {
    let Some(path) = host.strip_prefix(SOCKET) else {
        return Ok(());
    };
    if path.starts_with('/') && path.len() > 1 && path.len() <= LONGEST_SOCKET {
        return Ok(());
    }
    Err(format!(
        "expected unix: and an absolute path of at most {LONGEST_SOCKET} bytes, got {host}"
    ))
}

/// Checks what may be looked up: an IPv6 address (without brackets), or the letters of IPv4
/// addresses and names. Sockets have a check of their own.
///
/// # Errors
/// What was expected, and what came.
pub(crate) fn check_host(host: &str) -> Result<(), String> {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || "-._*".contains(letter);
    let is_name = !host.is_empty() && host.chars().all(is_letter);
    if is_name || host.starts_with(SOCKET) || host.parse::<std::net::Ipv6Addr>().is_ok() {
        return Ok(());
    }
    Err(format!(
        "expected a host name or an IP address, got {host:?}"
    ))
}

/// Splits `host`, `host:port`, `[v6]` and `[v6]:port`; leaves `unix:/path` as it is.
///
/// # Errors
/// APISIX's texts for a bad port and for IPv6 without brackets.
pub(crate) fn split_address(address: &str) -> Result<(&str, Option<u16>), String> {
    if address.starts_with(SOCKET) {
        return check_socket(address).map(|()| (address, None));
    }
    let (host, port) = if let Some(inside) = address.strip_prefix('[') {
        let (host, behind) = inside.split_once(']').ok_or_else(brackets)?;
        (host, behind.strip_prefix(':'))
    } else if address.matches(':').count() > 1 {
        return Err(brackets());
    } else {
        match address.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (address, None),
        }
    };
    let Some(port) = port else {
        return Ok((host, None));
    };
    match port.parse::<u16>() {
        Ok(number) if number > 0 => Ok((host, Some(number))),
        _ => Err(format!("invalid port {port}")),
    }
}

fn brackets() -> String {
    "IPv6 address must be enclosed with '[' and ']'".to_owned()
}
