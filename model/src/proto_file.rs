//! Protocol buffer definitions, for plugins that speak gRPC.

use serde::Deserialize;
use serde_json::Value;

use crate::document;
use crate::field::labels::Labels;
use crate::resource::Kind;
use crate::validate::Problem;

/// A definition in normal form.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ProtoFile {
    /// Free name.
    pub name: Option<String>,
    /// Labels.
    #[serde(default)]
    pub labels: Labels,
    /// Text of a `.proto`, or a base64 descriptor set.
    pub content: String,
}

impl ProtoFile {
    /// Reads a document: schema checked. The content is compiled by whoever uses it.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(spec: &Value) -> Result<Self, Problem> {
        document::read(Kind::Proto, spec)
    }
}
