//! Consumers: callers of the API.

use serde::Deserialize;
use serde_json::Value;

use crate::document;
use crate::field::id;
use crate::field::labels::Labels;
use crate::plugin::Plugins;
use crate::resource::{Id, Kind};
use crate::validate::Problem;

/// A consumer in normal form.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Consumer {
    /// Unique name, also the key of the resource.
    pub username: String,
    /// Labels.
    #[serde(default)]
    pub labels: Labels,
    /// Plugins by name: what authenticates the consumer, and what runs for it.
    #[serde(default)]
    pub plugins: Plugins,
    /// Plugins shared with other consumers.
    #[serde(default, deserialize_with = "id::optional")]
    pub group_id: Option<Id>,
}

impl Consumer {
    /// Reads a document: schema checked, defaults filled.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(spec: &Value) -> Result<Self, Problem> {
        document::read(Kind::Consumer, spec)
    }
}
