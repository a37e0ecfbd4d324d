//! Consumer groups: plugins shared by consumers.

use serde::Deserialize;
use serde_json::Value;

use crate::document;
use crate::field::labels::Labels;
use crate::plugin::Plugins;
use crate::resource::Kind;
use crate::validate::Problem;

/// A consumer group in normal form.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ConsumerGroup {
    /// Free name.
    pub name: Option<String>,
    /// Labels.
    #[serde(default)]
    pub labels: Labels,
    /// Plugins by name.
    pub plugins: Plugins,
}

impl ConsumerGroup {
    /// Reads a document: schema checked, defaults filled.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(spec: &Value) -> Result<Self, Problem> {
        document::read(Kind::ConsumerGroup, spec)
    }
}
