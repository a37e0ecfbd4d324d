//! Configuration of `opa`.

use serde::{Deserialize, Serialize};

use crate::service_call::ServiceOptions;

/// What an operator writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// The server: a URL.
    pub host: String,
    /// Path of the policy below `/v1/data/`.
    pub policy: String,
    /// How it is asked.
    #[serde(flatten)]
    pub call: ServiceOptions,
    /// Whether it is told of the route.
    #[serde(default)]
    pub with_route: bool,
    /// Whether it is told of the service.
    #[serde(default)]
    pub with_service: bool,
    /// Whether it is told of the consumer.
    #[serde(default)]
    pub with_consumer: bool,
    /// Headers of the decision that the node gets.
    #[serde(default)]
    pub send_headers_upstream: Option<Vec<String>>,
}
