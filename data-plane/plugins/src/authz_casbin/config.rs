//! Configuration of `authz-casbin`.

use serde::{Deserialize, Serialize};

/// What an operator writes: files, texts, or neither, which means the texts of the metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// File of the agent with the model.
    pub model_path: Option<String>,
    /// File of the agent with the policy.
    pub policy_path: Option<String>,
    /// The model.
    pub model: Option<String>,
    /// The policy.
    pub policy: Option<String>,
    /// Header that names the user.
    pub username: String,
}

/// What all routes without a model of their own use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// The model.
    pub model: String,
    /// The policy.
    pub policy: String,
}
