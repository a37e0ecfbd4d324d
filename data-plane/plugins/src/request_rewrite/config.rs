//! Configuration of `request-rewrite`.

use serde::{Deserialize, Serialize};

use crate::body_transformer::Format;
use crate::proxy_rewrite;

/// What an operator writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// What the body is made by.
    #[serde(default)]
    pub template: Option<String>,
    /// What the client's body is; by its content type when nothing is said.
    #[serde(default)]
    pub input_format: Option<Format>,
    /// Whether the template is base64.
    #[serde(default)]
    pub template_is_base64: Option<bool>,
    /// Largest body that is read or made, in bytes.
    #[serde(default = "default_size")]
    pub max_req_body_size: usize,
    /// Uri, host, method and headers.
    #[serde(flatten)]
    pub head: proxy_rewrite::Config,
}

const fn default_size() -> usize {
    64 << 20
}
