//! What a plugin knows while it is compiled.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};
use weir_model::Key;

use crate::living::Living;
use crate::outside::{Outside, Unreachable};
use crate::protos::Protos;
use crate::upstreams::{CheckedOnly, Upstreams};

/// What the settings of an agent say of plugins as a whole (`plugin_attr`), by plugin. Who reads the
/// settings checks it. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Attributes(Arc<Map<String, Value>>);

impl Attributes {
    /// What is said of a plugin.
    ///
    /// # Errors
    /// It does not have this shape.
    pub fn of<T: for<'d> Deserialize<'d> + Default>(&self, plugin: &str) -> Result<T, String> {
        let said = self.0.get(plugin).map(T::deserialize).transpose();
        said.map(Option::unwrap_or_default)
            .map_err(|error| format!("plugin_attr.{plugin}: {error}"))
    }
}

impl FromIterator<(String, Value)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(said: I) -> Self {
        Self(Arc::new(said.into_iter().collect()))
    }
}

/// Surroundings of one plugin configuration.
pub struct CompileContext<'a> {
    /// The resource that carries the configuration; `None` in a dry check.
    pub owner: Option<&'a Key>,
    /// The metadata document of [`crate::PluginDef::METADATA_OF`], if one is stored.
    pub metadata: Option<Arc<Value>>,
    /// SHA-256 of the configuration, hex: changes when, and only when, it changes.
    pub fingerprint: String,
    /// State that outlives this compilation.
    pub living: Living,
    /// What plugins are told as a whole; nothing in a dry check.
    pub attributes: Attributes,
    /// What can be reached beyond nodes; nothing in a dry check.
    pub outside: Arc<dyn Outside>,
    /// Compiles upstreams inside the configuration.
    pub upstreams: &'a dyn Upstreams,
    /// The proto objects; `None` in a dry check, which knows of no other objects.
    pub protos: Option<&'a dyn Protos>,
}

impl CompileContext<'_> {
    /// A context for checking a configuration without running it.
    #[must_use]
    pub fn dry() -> CompileContext<'static> {
        CompileContext {
            owner: None,
            metadata: None,
            fingerprint: String::new(),
            living: Living::default(),
            attributes: Attributes::default(),
            outside: Arc::new(Unreachable),
            upstreams: &CheckedOnly,
            protos: None,
        }
    }

    /// Whether a configuration is only checked, by somebody who has neither its owner nor the metadata nor
    /// the files of agents.
    #[must_use]
    pub fn is_dry(&self) -> bool {
        self.owner.is_none()
    }

    /// Key of the state that belongs to this plugin on this owner with this configuration.
    #[must_use]
    pub fn state_key(&self, plugin: &str) -> String {
        let owner = self.owner.map(ToString::to_string).unwrap_or_default();
        format!("{plugin}\u{0}{owner}\u{0}{}", self.fingerprint)
    }
}

#[cfg(test)]
mod tests {
    use weir_model::Kind;

    use super::*;

    #[test]
    fn state_belongs_to_plugin_owner_and_configuration() {
        let route = Key::new(Kind::Route, "1");
        let service = Key::new(Kind::Service, "1");
        let key = |plugin: &str, owner: &Key, fingerprint: &str| {
            CompileContext {
                owner: Some(owner),
                fingerprint: fingerprint.into(),
                ..CompileContext::dry()
            }
            .state_key(plugin)
        };
        let one = key("limit-req", &route, "a");
        assert_eq!(one, key("limit-req", &route, "a"));
        for other in [
            key("limit-count", &route, "a"),
            key("limit-req", &service, "a"),
            key("limit-req", &route, "b"),
        ] {
            assert_ne!(one, other);
        }
    }
}
