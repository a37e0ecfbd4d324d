//! The plugin table as validation sees it.

use serde_json::Value;
use weir_model::{PluginCatalog, PluginPart, PluginSchemas};
use weir_plugin_api::{CompileContext, Entry};

use crate::BUILTIN;

/// The catalog of the plugins of this build.
#[derive(Debug, Clone, Copy, Default)]
pub struct Builtin;

impl Builtin {
    /// The line of one plugin.
    #[must_use]
    pub fn entry(self, name: &str) -> Option<&'static Entry> {
        BUILTIN.iter().find(|entry| entry.name == name)
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

    fn check(&self, name: &str, part: PluginPart, config: &Value) -> Result<(), String> {
        let Some(entry) = self.entry(name) else {
            return Err(format!("unknown plugin [{name}]"));
        };
        match part {
            PluginPart::Config => entry.check(config, &CompileContext::dry()),
            PluginPart::Consumer => entry.check_consumer(config),
            PluginPart::Metadata => entry.check_metadata(config),
        }
    }
}
