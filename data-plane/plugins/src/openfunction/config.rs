//! Configuration of `openfunction`.

use serde::{Deserialize, Serialize};

use crate::function_call::FunctionOptions;

/// What an operator writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// The function and how it is called.
    #[serde(flatten)]
    pub function: FunctionOptions,
    /// Who calls.
    #[serde(default)]
    pub authorization: Option<Authorization>,
}

/// Credentials.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Authorization {
    /// `NAME:SECRET` of basic authentication.
    #[serde(default)]
    pub service_token: Option<String>,
}
