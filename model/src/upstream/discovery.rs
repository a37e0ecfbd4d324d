//! Nodes from a registry.

use std::time::Duration;

use serde::Deserialize;

use crate::field::{id, timeout};
use crate::resource::Id;

/// What to look up, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovery {
    /// Type of the registry: see [`crate::registry::TYPES`].
    pub kind: String,
    /// Name in the registry.
    pub service_name: String,
    /// Arguments of the lookup.
    pub args: DiscoveryArgs,
}

/// Arguments of a lookup.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct DiscoveryArgs {
    /// Nacos namespace.
    pub namespace_id: Option<String>,
    /// Nacos group.
    pub group_name: Option<String>,
    /// Name of the `registry` object; the only one of the type otherwise.
    #[serde(deserialize_with = "id::optional")]
    pub registry: Option<Id>,
    /// How long an empty or strongly shrunken answer is held; 0 takes it at once.
    #[serde(deserialize_with = "timeout::optional_seconds")]
    pub grace_time: Option<Duration>,
    /// Port that replaces the registered one.
    pub port: Option<u16>,
    /// Path of an active HTTP check on the discovered nodes.
    pub health_check_path: Option<String>,
    /// Time between two such checks.
    #[serde(deserialize_with = "timeout::optional_seconds")]
    pub health_check_interval: Option<Duration>,
}
