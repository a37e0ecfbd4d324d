//! Configuration that the plugins of function platforms share.

use serde::{Deserialize, Serialize};

use crate::service_call::ServiceOptions;

/// How a function is called.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallOptions {
    /// How its server is asked.
    #[serde(flatten)]
    pub service: ServiceOptions,
    /// Largest request body in bytes.
    #[serde(default = "max_req_body_size")]
    pub max_req_body_size: usize,
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

/// The configuration of a plugin with credentials of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FunctionConfig<Authorization> {
    /// The function and how it is called.
    #[serde(flatten)]
    pub function: FunctionOptions,
    /// Who calls.
    pub authorization: Option<Authorization>,
}

const fn max_req_body_size() -> usize {
    64 << 20
}
