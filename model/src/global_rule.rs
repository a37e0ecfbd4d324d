//! Global rules: plugins for every request, also for those without a route.

use serde::Deserialize;
use serde_json::Value;

use crate::document;
use crate::plugin::Plugins;
use crate::resource::Kind;
use crate::validate::Problem;

/// A global rule in normal form.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct GlobalRule {
    /// Plugins by name.
    pub plugins: Plugins,
}

impl GlobalRule {
    /// Reads a document: schema checked, defaults filled.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(spec: &Value) -> Result<Self, Problem> {
        document::read(Kind::GlobalRule, spec)
    }
}
