//! Configuration of `azure-functions`.

use serde::{Deserialize, Serialize};

use crate::function_call::FunctionConfig;

/// What an operator writes.
pub type Config = FunctionConfig<Authorization>;

/// Credentials.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Authorization {
    /// `x-functions-key`.
    #[serde(default)]
    pub apikey: Option<String>,
    /// `x-functions-clientid`.
    #[serde(default)]
    pub clientid: Option<String>,
}

/// What all configurations without credentials use.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    /// `x-functions-key`; empty: none.
    #[serde(default)]
    pub master_apikey: String,
    /// `x-functions-clientid`; empty: none.
    #[serde(default)]
    pub master_clientid: String,
}
