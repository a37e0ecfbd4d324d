//! One plugin configuration, compiled.

use std::sync::Arc;

use serde_json::Value;
use sha2::{Digest, Sha256};
use weir_model::field::expr::Expr;
use weir_model::plugin::{Meta, without_meta};
use weir_model::{Key, Problem};
use weir_plugin_api::{CompileContext, CompiledPlugin, Entry};

use crate::runtime::{InlineUpstreams, Site, StoredProtos};

/// A compiled plugin with what `_meta` says about it.
pub struct PluginInstance {
    /// Line of the plugin table.
    pub entry: &'static Entry,
    /// What runs.
    pub plugin: CompiledPlugin,
    /// Order inside a phase: the plugin's own unless `_meta.priority` says otherwise.
    pub priority: i32,
    /// Skipped when this is false.
    pub filter: Option<Expr>,
    /// Replaces the body of answers of 400 and above.
    pub error_response: Option<Value>,
    /// Whether its configuration names a variable that is read from the body of the request.
    pub reads_body: bool,
    /// The resource that carries the configuration.
    pub owner: Key,
    /// SHA-256 of the configuration, hex.
    pub fingerprint: String,
}

impl PluginInstance {
    /// Compiles one configuration; `None` when `_meta.disable` is set.
    ///
    /// # Errors
    /// What is wrong with it, below `plugins.NAME`.
    pub(crate) fn compile(
        entry: &'static Entry,
        config: &Value,
        owner: &Key,
        metadata: Option<Arc<Value>>,
        site: Site<'_>,
    ) -> Result<Option<Self>, Problem> {
        let problem = |message: String| {
            let text = format!(
                "failed to check the configuration of plugin {} err: {message}",
                entry.name
            );
            Problem::new(format!("plugins.{}", entry.name), text)
        };
        let meta = Meta::of(config).map_err(problem)?;
        if meta.disable {
            return Ok(None);
        }
        let mut filled = without_meta(config);
        weir_model::schema::check(entry.schema(), &mut filled)
            .map_err(|error| problem(error.message))?;
        let reads_body = names_body(config) || metadata.as_deref().is_some_and(names_body);
        let fingerprint = fingerprint(config, metadata.as_deref());
        let context = CompileContext {
            owner: Some(owner),
            metadata,
            fingerprint: fingerprint.clone(),
            living: site.env.living.clone(),
            attributes: site.env.attributes.clone(),
            outside: Arc::clone(&site.env.outside),
            upstreams: &InlineUpstreams { owner, site },
            protos: Some(&StoredProtos(site)),
        };
        let plugin = entry.compile(&filled, &context).map_err(problem)?;
        Ok(Some(Self {
            entry,
            plugin,
            priority: meta.priority.unwrap_or(entry.priority),
            filter: meta.filter,
            error_response: meta.error_response,
            reads_body,
            owner: owner.clone(),
            fingerprint,
        }))
    }

    /// What it is, for comparing two chains.
    #[must_use]
    pub fn describe(&self) -> String {
        format!(
            "{}@{} {} {}",
            self.entry.name, self.owner, self.priority, self.fingerprint
        )
    }
}

/// Whether a configuration names a variable of the body, be it in an expression, a template or a
/// key. Where the text stands for something else, a body is read in vain, no more.
fn names_body(config: &Value) -> bool {
    match config {
        Value::String(text) => ["post_arg", "graphql_", "request_body"]
            .iter()
            .any(|name| text.contains(name)),
        Value::Array(items) => items.iter().any(names_body),
        Value::Object(fields) => fields.values().any(names_body),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// SHA-256 of a configuration and the metadata of its plugin, hex.
pub(crate) fn fingerprint(config: &Value, metadata: Option<&Value>) -> String {
    let mut hasher = Sha256::new();
    hasher.update(config.to_string());
    hasher.update(metadata.map(Value::to_string).unwrap_or_default());
    hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
