//! Configuration of `error-page`: all of it is metadata.

use serde::{Deserialize, Serialize};

/// There is nothing to say on a route.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {}

/// What counts for all routes that have the plugin.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Metadata {
    /// Whether pages are replaced.
    pub enable: bool,
    /// In place of 404.
    pub error_404: Option<Page>,
    /// In place of 500.
    pub error_500: Option<Page>,
    /// In place of 502.
    pub error_502: Option<Page>,
    /// In place of 503.
    pub error_503: Option<Page>,
}

/// A page; what is not given is the usual one of its status.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Page {
    /// The text.
    pub body: Option<String>,
    /// Its type.
    pub content_type: Option<String>,
}
