//! The plugin table as validation sees it.

use serde_json::Value;
use weir_model::secret::is_reference;
use weir_model::{PluginCatalog, PluginPart, PluginSchemas};
use weir_plugin_api::{CompileContext, Entry, StreamEntry};

use crate::{BUILTIN, ON_STREAMS};

/// The catalog of the plugins of this build.
#[derive(Debug, Clone, Copy, Default)]
pub struct Builtin;

impl Builtin {
    /// The line of one plugin.
    #[must_use]
    pub fn entry(self, name: &str) -> Option<&'static Entry> {
        BUILTIN.iter().find(|entry| entry.name == name)
    }

    /// The line of one plugin that runs on streams.
    #[must_use]
    pub fn stream_entry(self, name: &str) -> Option<&'static StreamEntry> {
        ON_STREAMS.iter().find(|entry| entry.name == name)
    }
}

/// Whether a configuration has references to secrets in it.
fn refers(config: &Value) -> bool {
    match config {
        Value::String(text) => is_reference(text),
        Value::Array(items) => items.iter().any(refers),
        Value::Object(fields) => fields.values().any(refers),
        _ => false,
    }
}

impl PluginCatalog for Builtin {
    fn names(&self) -> Vec<&str> {
        BUILTIN.iter().map(|entry| entry.name).collect()
    }

    fn schemas(&self, name: &str) -> Option<PluginSchemas<'_>> {
        self.entry(name).map(|entry| PluginSchemas {
            config: entry.schema(),
            consumer: entry.consumer_schema(),
            metadata: entry.metadata_schema(),
            priority: entry.priority,
            auth: entry.auth,
        })
    }

    fn stream_names(&self) -> Vec<&str> {
        ON_STREAMS.iter().map(|entry| entry.name).collect()
    }

    fn stream_schemas(&self, name: &str) -> Option<PluginSchemas<'_>> {
        self.stream_entry(name).map(|entry| PluginSchemas {
            config: entry.schema(),
            consumer: None,
            metadata: None,
            priority: entry.priority,
            auth: false,
        })
    }

    fn reword(&self, name: &str, config: &Value, message: String) -> String {
        let entry = self.entry(name);
        let text = entry.and_then(|entry| entry.reword(config, &message));
        text.map_or(message, str::to_owned)
    }

    fn check(&self, name: &str, part: PluginPart, config: &Value) -> Result<(), String> {
        if part == PluginPart::Stream {
            let entry = self.stream_entry(name);
            let entry = entry.ok_or_else(|| format!("unknown plugin [{name}]"))?;
            return entry.compile(config, &CompileContext::dry()).map(drop);
        }
        let Some(entry) = self.entry(name) else {
            return Err(format!("unknown plugin [{name}]"));
        };
        let checked = match part {
            PluginPart::Config | PluginPart::Stream => entry.check(config, &CompileContext::dry()),
            PluginPart::Consumer => entry.check_consumer(config),
            PluginPart::Metadata => entry.check_metadata(config),
        };
        match checked {
            // What stands for something else can be checked by whoever knows for what: agents.
            Err(_) if refers(config) => Ok(()),
            checked => checked,
        }
    }
}
