//! Configuration that the plugins of function platforms share.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use weir_plugin_api::outside::HttpCall;

/// How a function is called.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallOptions {
    /// Milliseconds that a call may take, from the connection to the end of the answer.
    #[serde(default = "timeout")]
    pub timeout: u64,
    /// Whether the server's certificate is verified.
    #[serde(default = "yes")]
    pub ssl_verify: bool,
    /// Whether connections are kept.
    #[serde(default = "yes")]
    pub keepalive: bool,
    /// Milliseconds for which an idle connection is kept.
    #[serde(default = "keepalive_timeout")]
    pub keepalive_timeout: u64,
    /// Idle connections that are kept.
    #[serde(default = "keepalive_pool")]
    pub keepalive_pool: usize,
    /// Largest request body in bytes.
    #[serde(default = "max_req_body_size")]
    pub max_req_body_size: usize,
}

impl CallOptions {
    /// Lets a call be made in this way.
    pub(super) fn apply(&self, call: &mut HttpCall) {
        call.timeout = Duration::from_millis(self.timeout);
        call.verify = self.ssl_verify;
        call.keepalive = self.keepalive;
        call.idle = Duration::from_millis(self.keepalive_timeout);
        call.max_idle = self.keepalive_pool;
    }
}

/// A function at a URL of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FunctionOptions {
    /// Where it is.
    pub function_uri: String,
    /// How it is called.
    #[serde(flatten)]
    pub call: CallOptions,
}

const fn timeout() -> u64 {
    3000
}

const fn yes() -> bool {
    true
}

const fn keepalive_timeout() -> u64 {
    60_000
}

const fn keepalive_pool() -> usize {
    5
}

const fn max_req_body_size() -> usize {
    64 << 20
}
