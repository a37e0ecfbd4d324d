//! Configuration of `forward-auth`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::service_call::ServiceOptions;

/// How the service is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RequestMethod {
    /// Without a body.
    #[default]
    Get,
    /// With the body of the request.
    Post,
}

/// What an operator writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// The service.
    pub uri: String,
    /// How it is asked.
    #[serde(default)]
    pub request_method: RequestMethod,
    /// Headers of the request that it gets.
    #[serde(default)]
    pub request_headers: Vec<String>,
    /// Headers that it gets besides; values may have variables.
    #[serde(default)]
    pub extra_headers: Option<Map<String, Value>>,
    /// Headers of its answer that the node gets.
    #[serde(default)]
    pub upstream_headers: Vec<String>,
    /// Headers of its refusal that the client gets.
    #[serde(default)]
    pub client_headers: Vec<String>,
    /// Largest body that it gets, in bytes.
    #[serde(default = "largest_body")]
    pub max_req_body_size: usize,
    /// How it is asked.
    #[serde(flatten)]
    pub call: ServiceOptions,
    /// Whether requests pass when it gives no answer.
    #[serde(default)]
    pub allow_degradation: bool,
    /// Status when it gives no answer.
    #[serde(default = "forbidden")]
    pub status_on_error: u16,
}

const fn largest_body() -> usize {
    64 << 20
}

const fn forbidden() -> u16 {
    403
}
