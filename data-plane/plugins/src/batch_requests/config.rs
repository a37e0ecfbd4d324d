//! Configuration of `batch-requests`.

use serde::{Deserialize, Serialize};

/// There is nothing to configure on a resource.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {}

/// Bounds, as plugin metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// Largest body in bytes.
    #[serde(default = "max_body_size")]
    pub max_body_size: usize,
    /// Requests in one batch.
    #[serde(default = "max_pipeline_items")]
    pub max_pipeline_items: usize,
}

const fn max_body_size() -> usize {
    1 << 20
}

const fn max_pipeline_items() -> usize {
    1000
}

impl Default for Metadata {
    fn default() -> Self {
        Self {
            max_body_size: max_body_size(),
            max_pipeline_items: max_pipeline_items(),
        }
    }
}

/// What the settings of an agent say (`plugin_attr.batch-requests`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Attributes {
    /// Path of the API.
    #[serde(default)]
    pub(super) uri: Option<String>,
}
