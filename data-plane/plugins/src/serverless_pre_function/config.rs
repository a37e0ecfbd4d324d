//! Configuration of `serverless-pre-function` and `serverless-post-function`.

use serde::{Deserialize, Serialize};
use weir_plugin_api::Phase;

/// What an operator writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// When the functions run.
    #[serde(default)]
    pub phase: When,
    /// Texts in Lua, each of which returns a function.
    pub functions: Vec<String>,
}

/// A phase as operators write it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Before authentication.
    Rewrite,
    /// After authentication.
    #[default]
    Access,
    /// When a node is picked, once for each try.
    BeforeProxy,
    /// When the head of the answer is known.
    HeaderFilter,
    /// For each piece of the answer's body.
    BodyFilter,
    /// When all is over.
    Log,
}

impl From<When> for Phase {
    fn from(when: When) -> Self {
        match when {
            When::Rewrite => Phase::Rewrite,
            When::Access => Phase::Access,
            When::BeforeProxy => Phase::BeforeProxy,
            When::HeaderFilter => Phase::HeaderFilter,
            When::BodyFilter => Phase::BodyFilter,
            When::Log => Phase::Log,
        }
    }
}
