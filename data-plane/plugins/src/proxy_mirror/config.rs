//! Configuration of `proxy-mirror`.

use serde::{Deserialize, Serialize};

/// What an operator writes on a route, service, consumer or global rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Where copies go: `http`, `https`, `grpc` or `grpcs`, host, and port if need be.
    pub host: String,
    /// Path of copies, or what stands before it; none is the path that the node is asked.
    #[serde(default)]
    pub path: Option<String>,
    /// What `path` is.
    #[serde(default)]
    pub path_concat_mode: PathConcatMode,
    /// Share of the requests, 0.00001 to 1.
    #[serde(default = "all")]
    pub sample_ratio: f64,
}

const fn all() -> f64 {
    1.0
}

/// What `path` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PathConcatMode {
    /// The path of copies.
    #[default]
    Replace,
    /// What stands before the path.
    Prefix,
}
