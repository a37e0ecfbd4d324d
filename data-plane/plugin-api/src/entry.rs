//! The type-erased form of a plugin, for the table.

use std::sync::{Arc, OnceLock};

use serde_json::Value;

use crate::compile::CompileContext;
use crate::host::Prepared;
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
    /// Whether it is run to explain what would become of a request.
    pub preview: bool,
    /// What happens when it is on a global rule and on the route.
    pub run_policy: RunPolicy,
    /// The plugin whose metadata it is compiled with.
    pub metadata_of: &'static str,
    schema_text: &'static str,
    consumer_schema_text: Option<&'static str>,
    metadata_schema_text: Option<&'static str>,
    schema: OnceLock<Value>,
    consumer_schema: OnceLock<Value>,
    metadata_schema: OnceLock<Value>,
    compile: fn(&Value, &CompileContext<'_>) -> Result<CompiledPlugin, String>,
    consumer_key: fn(&Value) -> Option<String>,
    check_consumer: fn(&Value) -> Result<(), String>,
    prepare_consumer: fn(&Value) -> Prepared,
    check_metadata: fn(&Value) -> Result<(), String>,
    reword: fn(&Value, &str) -> Option<&'static str>,
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
            preview: D::PREVIEW,
            run_policy: D::RUN_POLICY,
            metadata_of: D::METADATA_OF,
            schema_text: D::SCHEMA,
            consumer_schema_text: D::CONSUMER_SCHEMA,
            metadata_schema_text: D::METADATA_SCHEMA,
            schema: OnceLock::new(),
            consumer_schema: OnceLock::new(),
            metadata_schema: OnceLock::new(),
            compile: compile::<D>,
            consumer_key: D::consumer_key,
            check_consumer: D::check_consumer,
            prepare_consumer: D::prepare_consumer,
            check_metadata: D::check_metadata,
            reword: D::reword,
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

    /// What APISIX says of a configuration in place of a `message` of the schema.
    #[must_use]
    pub fn reword(&self, config: &Value, message: &str) -> Option<&'static str> {
        (self.reword)(config, message)
    }

    /// Checks a consumer's part beyond its schema.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check_consumer(&self, config: &Value) -> Result<(), String> {
        (self.check_consumer)(config)
    }

    /// Makes of a consumer's part what need not be made per request.
    #[must_use]
    pub fn prepare_consumer(&self, config: &Value) -> Prepared {
        (self.prepare_consumer)(config)
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

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;
    use crate::phase::Phase;

    struct Echo;

    #[derive(Deserialize)]
    struct Config {
        word: String,
    }

    struct Compiled;

    impl Plugin for Compiled {}

    impl PluginDef for Echo {
        const NAME: &'static str = "echo";
        const PRIORITY: i32 = 7;
        const PHASES: Phases = Phases::of(&[Phase::Access]);
        const SCHEMA: &'static str = r#"{"type": "object"}"#;
        const METADATA_SCHEMA: Option<&'static str> = Some("not JSON");

        type Config = Config;
        type Compiled = Compiled;

        fn compile(config: Config, _context: &CompileContext<'_>) -> Result<Compiled, String> {
            match config.word.as_str() {
                "" => Err("word must not be empty".into()),
                _ => Ok(Compiled),
            }
        }

        fn check_metadata(_metadata: &Value) -> Result<(), String> {
            Err("no metadata today".into())
        }
    }

    #[test]
    fn an_entry_stands_for_its_plugin() {
        let entry = Entry::of::<Echo>();
        assert_eq!((entry.name, entry.priority, entry.auth), ("echo", 7, false));
        assert!(entry.phases.contains(Phase::Access));
        assert_eq!(entry.run_policy, RunPolicy::Both);
        assert_eq!(*entry.schema(), json!({"type": "object"}));
        assert_eq!(entry.consumer_schema(), None);
        assert_eq!(entry.consumer_key(&json!({"key": "a"})), None);
    }

    #[test]
    fn refusals_of_the_compiler_come_through() {
        let entry = Entry::of::<Echo>();
        let check = |config: Value| entry.check(&config, &CompileContext::dry());
        assert_eq!(
            check(json!({"word": "a", "_meta": {"priority": 1}})),
            Ok(())
        );
        assert_eq!(
            check(json!({"word": ""})),
            Err("word must not be empty".into())
        );
        assert!(check(json!({})).unwrap_err().contains("word"));
        assert_eq!(entry.check_consumer(&json!({})), Ok(()));
        assert_eq!(
            entry.check_metadata(&json!({})),
            Err("no metadata today".into())
        );
    }

    #[test]
    fn a_schema_that_does_not_parse_accepts_nothing() {
        let entry = Entry::of::<Echo>();
        assert_eq!(entry.metadata_schema(), Some(&Value::Bool(false)));
    }
}
