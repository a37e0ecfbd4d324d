//! Configuration of `uri-blocker`.

use serde::{Deserialize, Serialize};

/// What an operator writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Expressions; a request that one of them matches is refused.
    pub block_rules: Vec<String>,
    /// Whether case is ignored.
    #[serde(default)]
    pub case_insensitive: bool,
    /// Status of a refusal; 200 or more.
    #[serde(default = "forbidden")]
    pub rejected_code: u16,
    /// Message of a refusal; without it the default page of the status is sent.
    #[serde(default)]
    pub rejected_msg: Option<String>,
}

const fn forbidden() -> u16 {
    403
}
