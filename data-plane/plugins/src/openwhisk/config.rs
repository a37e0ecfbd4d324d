//! Configuration of `openwhisk`.

use serde::{Deserialize, Serialize};

use crate::function_call::CallOptions;

/// What an operator writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Where the platform is.
    pub api_host: String,
    /// `NAME:SECRET` of basic authentication.
    pub service_token: String,
    /// Namespace of the action.
    pub namespace: String,
    /// Package of the action; none: the namespace's own.
    #[serde(default)]
    pub package: Option<String>,
    /// The action.
    pub action: String,
    /// Whether the result of the action is the answer, or the whole record of the activation.
    #[serde(default = "yes")]
    pub result: bool,
    /// How it is called.
    #[serde(flatten)]
    pub call: CallOptions,
}

const fn yes() -> bool {
    true
}
