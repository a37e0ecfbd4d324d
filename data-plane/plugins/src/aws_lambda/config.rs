//! Configuration of `aws-lambda`.

use serde::{Deserialize, Serialize};

use crate::function_call::FunctionConfig;

/// What an operator writes.
pub type Config = FunctionConfig<Authorization>;

/// Credentials.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Authorization {
    /// `x-api-key` of an API Gateway.
    #[serde(default)]
    pub apikey: Option<String>,
    /// Keys that sign requests.
    #[serde(default)]
    pub iam: Option<Iam>,
}

/// Keys of an identity, and for what it signs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Iam {
    /// Id of the key.
    pub accesskey: String,
    /// The key.
    pub secretkey: String,
    /// Region of the function.
    #[serde(default = "region")]
    pub aws_region: String,
    /// `execute-api` for an API Gateway, `lambda` for a function URL.
    #[serde(default = "service")]
    pub service: String,
}

fn region() -> String {
    "us-east-1".into()
}

fn service() -> String {
    "execute-api".into()
}
