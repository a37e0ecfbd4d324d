//! Configuration of `oas-validator`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What an operator writes; one of `spec` and `spec_url` is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// The OpenAPI document, JSON or YAML.
    pub spec: Option<String>,
    /// Where the document is.
    pub spec_url: Option<String>,
    /// Header fields of the request for it.
    pub spec_url_request_headers: Option<BTreeMap<String, String>>,
    /// Whether the certificate of that server is checked.
    pub ssl_verify: bool,
    /// Milliseconds that the server is given.
    pub timeout: u64,
    /// Whether refusals say what is wrong.
    pub verbose_errors: bool,
    /// Bodies are not checked.
    pub skip_request_body_validation: bool,
    /// Headers and cookies are not checked.
    pub skip_request_header_validation: bool,
    /// Parameters of the query are not checked.
    pub skip_query_param_validation: bool,
    /// Parameters of the path are not checked.
    pub skip_path_params_validation: bool,
    /// Whether what does not fit is refused, or only logged.
    pub reject_if_not_match: bool,
    /// Status of refusals.
    pub rejection_status_code: u16,
    /// Largest body that is read, in bytes.
    pub max_req_body_size: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            spec: None,
            spec_url: None,
            spec_url_request_headers: None,
            ssl_verify: false,
            timeout: 10_000,
            verbose_errors: false,
            skip_request_body_validation: false,
            skip_request_header_validation: false,
            skip_query_param_validation: false,
            skip_path_params_validation: false,
            reject_if_not_match: true,
            rejection_status_code: 400,
            max_req_body_size: 64 << 20,
        }
    }
}

/// Plugin metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Metadata {
    /// Seconds after which a document is fetched again.
    pub spec_url_ttl: u64,
}

impl Default for Metadata {
    fn default() -> Self {
        Self { spec_url_ttl: 3600 }
    }
}
