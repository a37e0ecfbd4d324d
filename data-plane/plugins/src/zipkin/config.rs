//! Configuration of `zipkin`.

use serde::{Deserialize, Serialize};

/// What an operator writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// URL of the collector: `http://127.0.0.1:9411/api/v2/spans`.
    pub endpoint: String,
    /// Which share of requests is sampled, where the client does not decide.
    pub sample_ratio: f64,
    /// Name of this service in spans.
    #[serde(default = "service_name")]
    pub service_name: String,
    /// IPv4 address of this service in spans, where it is not that of the connection.
    #[serde(default)]
    pub server_addr: Option<String>,
    /// Which spans are made: 1 for each phase, 2 for request, node and answer.
    #[serde(default = "two")]
    pub span_version: u8,
}

fn service_name() -> String {
    "APISIX".into()
}

const fn two() -> u8 {
    2
}
