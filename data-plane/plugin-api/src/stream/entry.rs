//! The type-erased form of a stream plugin, for the table.

use std::sync::{Arc, OnceLock};

use serde_json::Value;

use super::plugin::{StreamPlugin, StreamPluginDef};
use crate::compile::CompileContext;

/// A stream plugin ready to run.
pub type CompiledStreamPlugin = Arc<dyn StreamPlugin>;

/// One line of the table of stream plugins.
pub struct StreamEntry {
    /// Name in configurations.
    pub name: &'static str,
    /// Order: larger runs first.
    pub priority: i32,
    schema_text: &'static str,
    schema: OnceLock<Value>,
    compile: fn(&Value, &CompileContext<'_>) -> Result<CompiledStreamPlugin, String>,
}

impl StreamEntry {
    /// The line for one plugin.
    #[must_use]
    pub const fn of<D: StreamPluginDef>() -> Self {
        Self {
            name: D::NAME,
            priority: D::PRIORITY,
            schema_text: D::SCHEMA,
            schema: OnceLock::new(),
            compile: compile::<D>,
        }
    }

    /// JSON schema of the configuration.
    pub fn schema(&self) -> &Value {
        // One that does not parse is caught by the test of the table; it would accept nothing.
        let parse = || serde_json::from_str(self.schema_text).unwrap_or(Value::Bool(false));
        self.schema.get_or_init(parse)
    }

    /// Compiles a configuration that has passed the schema. `_meta` must have been taken out.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    pub fn compile(
        &self,
        config: &Value,
        context: &CompileContext<'_>,
    ) -> Result<CompiledStreamPlugin, String> {
        (self.compile)(config, context)
    }
}

fn compile<D: StreamPluginDef>(
    config: &Value,
    context: &CompileContext<'_>,
) -> Result<CompiledStreamPlugin, String> {
    let config: D::Config = serde::Deserialize::deserialize(config)
        .map_err(|error: serde_json::Error| error.to_string())?;
    Ok(Arc::new(D::compile(config, context)?))
}
