//! The type-erased form of a plugin, for the table.

use std::sync::{Arc, OnceLock};

use serde_json::Value;

use crate::compile::CompileContext;
use crate::phase::Phases;
use crate::plugin::{Plugin, PluginDef, RunPolicy};

/// A plugin ready to run.
pub type CompiledPlugin = Arc<dyn Plugin>;

/// One line of the plugin table.
pub struct Entry {
    /// Name in configurations.
    pub name: &'static str,
    /// Order inside a phase: larger runs first.
    pub priority: i32,
    /// Phases in which it runs.
    pub phases: Phases,
    /// Whether it authenticates.
    pub auth: bool,
    /// What happens when it is on a global rule and on the route.
    pub run_policy: RunPolicy,
    schema_text: &'static str,
    consumer_schema_text: Option<&'static str>,
    metadata_schema_text: Option<&'static str>,
    schema: OnceLock<Value>,
    consumer_schema: OnceLock<Value>,
    metadata_schema: OnceLock<Value>,
    compile: fn(&Value, &CompileContext<'_>) -> Result<CompiledPlugin, String>,
    consumer_key: fn(&Value) -> Option<String>,
    check_consumer: fn(&Value) -> Result<(), String>,
    check_metadata: fn(&Value) -> Result<(), String>,
}

impl Entry {
    /// The line for one plugin.
    #[must_use]
    pub const fn of<D: PluginDef>() -> Self {
        Self {
            name: D::NAME,
            priority: D::PRIORITY,
            phases: D::PHASES,
            auth: D::AUTH,
            run_policy: D::RUN_POLICY,
            schema_text: D::SCHEMA,
            consumer_schema_text: D::CONSUMER_SCHEMA,
            metadata_schema_text: D::METADATA_SCHEMA,
            schema: OnceLock::new(),
            consumer_schema: OnceLock::new(),
            metadata_schema: OnceLock::new(),
            compile: compile::<D>,
            consumer_key: D::consumer_key,
            check_consumer: D::check_consumer,
            check_metadata: D::check_metadata,
        }
    }

    /// JSON schema of the configuration.
    pub fn schema(&self) -> &Value {
        self.schema.get_or_init(|| parse(self.schema_text))
    }

    /// JSON schema of the consumer's part.
    pub fn consumer_schema(&self) -> Option<&Value> {
        self.consumer_schema_text
            .map(|text| self.consumer_schema.get_or_init(|| parse(text)))
    }

    /// JSON schema of the metadata.
    pub fn metadata_schema(&self) -> Option<&Value> {
        self.metadata_schema_text
            .map(|text| self.metadata_schema.get_or_init(|| parse(text)))
    }

    /// Compiles a configuration that has passed the schema. `_meta` must have been taken out.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    pub fn compile(
        &self,
        config: &Value,
        context: &CompileContext<'_>,
    ) -> Result<CompiledPlugin, String> {
        (self.compile)(config, context)
    }

    /// Compiles a configuration and throws the result away; `_meta` may still be there.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    pub fn check(&self, config: &Value, context: &CompileContext<'_>) -> Result<(), String> {
        match config.get("_meta") {
            None => self.compile(config, context).map(drop),
            Some(_) => {
                let mut bare = config.clone();
                if let Some(fields) = bare.as_object_mut() {
                    fields.shift_remove("_meta");
                }
                self.compile(&bare, context).map(drop)
            }
        }
    }

    /// Checks a consumer's part beyond its schema.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check_consumer(&self, config: &Value) -> Result<(), String> {
        (self.check_consumer)(config)
    }

    /// Checks plugin metadata beyond its schema.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check_metadata(&self, metadata: &Value) -> Result<(), String> {
        (self.check_metadata)(metadata)
    }

    /// The unique key by which a request finds its consumer.
    #[must_use]
    pub fn consumer_key(&self, config: &Value) -> Option<String> {
        (self.consumer_key)(config)
    }
}

fn compile<D: PluginDef>(
    config: &Value,
    context: &CompileContext<'_>,
) -> Result<CompiledPlugin, String> {
    let config: D::Config = serde::Deserialize::deserialize(config)
        .map_err(|error: serde_json::Error| error.to_string())?;
    Ok(Arc::new(D::compile(config, context)?))
}

/// A schema that does not parse is caught by the test of the table; it would accept nothing.
fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or(Value::Bool(false))
}
