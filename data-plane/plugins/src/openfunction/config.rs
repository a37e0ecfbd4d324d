//! Configuration of `openfunction`.

use serde::{Deserialize, Serialize};

use crate::function_call::FunctionConfig;

/// What an operator writes.
pub type Config = FunctionConfig<Authorization>;

/// Credentials.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Authorization {
    /// `NAME:SECRET` of basic authentication.
    #[serde(default)]
    pub service_token: Option<String>,
}
