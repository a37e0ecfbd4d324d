//! Configuration of `public-api`.

use serde::{Deserialize, Serialize};

/// What an operator writes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// Path of the API; none: that of the request.
    #[serde(default)]
    pub uri: Option<String>,
}
