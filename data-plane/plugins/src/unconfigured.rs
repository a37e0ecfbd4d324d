//! What plugins share that do nothing to requests and have nothing to choose on a resource.

use serde::{Deserialize, Serialize};
use weir_plugin_api::Plugin;

/// There is nothing to choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {}

/// Nothing runs.
pub struct Compiled;

impl Plugin for Compiled {}
