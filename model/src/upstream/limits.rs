//! How much an upstream, or one of its nodes, takes at once.

use serde::Deserialize;

/// Limits of one agent towards something; `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Requests under way.
    pub max_requests: Option<u32>,
}

/// Limits of an upstream as a whole and of each of its nodes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct UpstreamLimits {
    /// Over all nodes.
    #[serde(flatten)]
    pub all: Limits,
    /// Of each node.
    pub node: Limits,
}
