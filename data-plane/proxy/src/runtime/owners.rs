//! The plugins that one resource carries, compiled once per revision of it.

use std::sync::Arc;

use serde_json::Value;
use weir_model::plugin::Plugins;
use weir_model::{Key, Kind, Problem, Resource, ResourceSet, Revision};

use super::CompileEnv;
use super::parts::Parts;
use crate::chain::{OwnedSet, PluginInstance};

/// Where the parts of plugins stand on a resource.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Configurations, all of which run.
    Config,
    /// On a consumer: what belongs to plugins of type auth identifies it and does not run.
    Consumer,
}

/// The plugins of one resource, with what they were compiled from.
#[derive(Clone)]
pub(super) struct Owned {
    /// Revision of the resource, and newest revision of plugin metadata.
    pub(super) version: (Revision, Revision),
    pub(super) plugins: Arc<OwnedSet>,
}

/// Compiles, or takes over, the plugins of resources.
pub(super) struct Owners<'a> {
    set: &'a ResourceSet,
    env: &'a CompileEnv,
    before: Option<&'a Parts>,
    /// Newest revision of plugin metadata: plugins are compiled again when it moves.
    pub(super) metadata: Revision,
}

impl<'a> Owners<'a> {
    pub(super) fn new(
        set: &'a ResourceSet,
        env: &'a CompileEnv,
        before: Option<&'a Parts>,
    ) -> Self {
        let documents = set.of_kind(Kind::PluginMetadata);
        let metadata = documents
            .map(|document| document.modified)
            .max()
            .unwrap_or(0);
        Self {
            set,
            env,
            before,
            metadata,
        }
    }

    /// The plugins of `resource`.
    pub(super) fn of(
        &self,
        resource: &Resource,
        plugins: &Plugins,
        place: Place,
    ) -> Result<Owned, Problem> {
        let version = (resource.modified, self.metadata);
        let known = self.before.and_then(|parts| parts.owned.get(&resource.key));
        if let Some(known) = known.filter(|known| known.version == version) {
            return Ok(known.clone());
        }
        let mut compiled = OwnedSet::new();
        for (name, config) in plugins {
            let entry = self
                .env
                .plugins
                .iter()
                .find(|entry| entry.name == name.as_str());
            let entry = entry.ok_or_else(|| {
                Problem::new(
                    format!("plugins.{name}"),
                    format!("unknown plugin [{name}]"),
                )
            })?;
            if place == Place::Consumer && entry.auth {
                continue;
            }
            let metadata = self.metadata_of(name);
            let living = &self.env.living;
            let plugin = PluginInstance::compile(entry, config, &resource.key, metadata, living)?;
            if let Some(plugin) = plugin {
                compiled.insert(entry.name, Arc::new(plugin));
            }
        }
        Ok(Owned {
            version,
            plugins: Arc::new(compiled),
        })
    }

    fn metadata_of(&self, plugin: &str) -> Option<Arc<Value>> {
        let document = self.set.get(&Key::new(Kind::PluginMetadata, plugin))?;
        Some(Arc::clone(&document.spec))
    }
}
