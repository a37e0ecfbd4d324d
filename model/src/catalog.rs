//! What validation needs to know of the plugins, without knowing any plugin.

use serde_json::Value;

/// Where a plugin configuration stands: each place has its own schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PluginPart {
    /// On a route, service, plugin config, global rule or consumer group.
    Config,
    /// On a stream route.
    Stream,
    /// On a consumer or credential.
    Consumer,
    /// Plugin metadata.
    Metadata,
}

/// Published facts of one plugin.
#[derive(Debug, Clone, Copy)]
pub struct PluginSchemas<'a> {
    /// JSON schema of the configuration.
    pub config: &'a Value,
    /// JSON schema of what a consumer carries, for plugins of type auth.
    pub consumer: Option<&'a Value>,
    /// JSON schema of the plugin metadata.
    pub metadata: Option<&'a Value>,
    /// Order inside a phase; larger runs first.
    pub priority: i32,
    /// Whether the plugin is of type auth (may stand in a credential).
    pub auth: bool,
}

/// The table of plugins, as validation sees it.
pub trait PluginCatalog: Send + Sync {
    /// Names of all plugins, highest priority first.
    fn names(&self) -> Vec<&str>;

    /// Facts of one plugin; `None` when there is no such plugin.
    fn schemas(&self, name: &str) -> Option<PluginSchemas<'_>>;

    /// Names of the plugins that run on streams, highest priority first.
    fn stream_names(&self) -> Vec<&str> {
        Vec::new()
    }

    /// Facts of one plugin as it runs on streams; `None` when it does not.
    fn stream_schemas(&self, _name: &str) -> Option<PluginSchemas<'_>> {
        None
    }

    /// The text for a `message` of the schema of one plugin, where APISIX says something else.
    fn reword(&self, _name: &str, _config: &Value, message: String) -> String {
        message
    }

    /// Checks beyond the schema: what the plugin's own compiler would say.
    ///
    /// # Errors
    /// The text of the refusal, without prefix.
    fn check(&self, name: &str, part: PluginPart, config: &Value) -> Result<(), String>;
}

/// A catalog without plugins, for documents that carry none.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPlugins;

impl PluginCatalog for NoPlugins {
    fn names(&self) -> Vec<&str> {
        Vec::new()
    }

    fn schemas(&self, _name: &str) -> Option<PluginSchemas<'_>> {
        None
    }

    fn check(&self, _name: &str, _part: PluginPart, _config: &Value) -> Result<(), String> {
        Ok(())
    }
}
