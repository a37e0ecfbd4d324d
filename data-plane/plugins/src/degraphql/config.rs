//! Configuration of `degraphql`.

use serde::{Deserialize, Serialize};

/// What an operator writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// The GraphQL document that the node is sent.
    pub query: String,
    /// Variables of the query that requests give, by name.
    #[serde(default)]
    pub variables: Option<Vec<String>>,
    /// Which operation of the document is meant.
    #[serde(default)]
    pub operation_name: Option<String>,
    /// Largest body of a request that is read, in bytes.
    #[serde(default = "default_size")]
    pub max_req_body_size: usize,
}

const fn default_size() -> usize {
    64 << 20
}
