//! Configuration of `datadog`.

use serde::{Deserialize, Serialize};

use crate::logging::BatchOptions;

/// What an operator writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Whether names of routes and services are tags rather than their ids.
    pub prefer_name: bool,
    /// Whether the path pattern of the route is a tag.
    pub include_path: bool,
    /// Whether the method is a tag.
    pub include_method: bool,
    /// Tags besides those of the metadata.
    pub constant_tags: Vec<String>,
    /// Name of the batch processor.
    pub name: String,
    /// When metrics are sent.
    #[serde(flatten)]
    pub batch: BatchOptions,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            prefer_name: true,
            include_path: false,
            include_method: false,
            constant_tags: Vec::new(),
            name: "datadog".into(),
            batch: BatchOptions::default(),
        }
    }
}

/// Where metrics go, for all routes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Metadata {
    /// Name or address of the DogStatsD server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// What names of metrics start with.
    pub namespace: String,
    /// Tags of all metrics.
    pub constant_tags: Vec<String>,
    /// Requests whose metrics wait; more are dropped.
    pub max_pending_entries: usize,
}

impl Default for Metadata {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".into(),
            port: 8125,
            namespace: "apisix".into(),
            constant_tags: vec!["source:apisix".into()],
            max_pending_entries: 8192,
        }
    }
}
