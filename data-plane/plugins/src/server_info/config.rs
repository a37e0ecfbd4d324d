//! Configuration of `server-info`.

use serde::{Deserialize, Serialize};

/// There is nothing to choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {}
