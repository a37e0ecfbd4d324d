//! Configuration of `grpc-web`.

use serde::{Deserialize, Serialize};

/// What an operator writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Headers that pages of other origins may send, for preflight requests.
    pub cors_allow_headers: String,
    /// Largest body of a request that is read, in bytes.
    pub max_req_body_size: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cors_allow_headers: "content-type,x-grpc-web,x-user-agent".into(),
            max_req_body_size: 64 << 20,
        }
    }
}
