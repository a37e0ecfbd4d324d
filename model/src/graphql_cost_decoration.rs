//! Weights for graphql-limit-count: cost(field) = (sum of children) * mul + add.

use serde::Deserialize;
use serde_json::Value;

use crate::document;
use crate::resource::Kind;
use crate::validate::Problem;

/// A decoration in normal form.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct GraphqlCostDecoration {
    /// Dotted path of the field: `Query.users`.
    pub field_path: String,
    /// Constant added.
    pub add_value: f64,
    /// Arguments whose values are added.
    #[serde(default)]
    pub add_arguments: Vec<String>,
    /// Constant factor.
    pub mul_value: f64,
    /// Arguments whose values are factors.
    #[serde(default)]
    pub mul_arguments: Vec<String>,
}

impl GraphqlCostDecoration {
    /// Reads a document: schema checked, defaults filled.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(spec: &Value) -> Result<Self, Problem> {
        document::read(Kind::GraphqlCostDecoration, spec)
    }
}
