//! Configuration of `prometheus` and of its metadata.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What an operator writes on a route, service, consumer or global rule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Whether labels carry names of routes and services rather than ids, where they have one.
    pub prefer_name: bool,
}

/// Plugin metadata.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Metadata {
    /// Labels that stay empty, per metric (name without prefix).
    pub disabled_labels: BTreeMap<String, Vec<String>>,
}

impl Metadata {
    /// Whether this label of this metric stays empty.
    #[must_use]
    pub fn disables(&self, metric: &str, label: &str) -> bool {
        self.disabled_labels
            .get(metric)
            .is_some_and(|labels| labels.iter().any(|name| name == label))
    }
}
