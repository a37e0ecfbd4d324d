//! The plugins that one resource carries, compiled once per revision of it.

use std::sync::Arc;

use serde_json::Value;
use weir_model::plugin::Plugins;
use weir_model::{Key, Kind, Problem, ResourceSet, Revision};

use super::CompileEnv;
use super::parts::Parts;
use super::target::Site;
use crate::chain::{OwnedSet, PluginInstance};

/// Where the parts of plugins stand on a resource.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Configurations, all of which run.
    Config,
    /// On a consumer: what belongs to plugins of type auth identifies it and does not run.
    Consumer,
}

/// Revisions of a number of resources.
pub(super) type Revisions = Arc<[(Key, Revision)]>;

/// The plugins of one resource, with what they were compiled from.
#[derive(Clone)]
pub(super) struct Owned {
    /// Revision of the resource.
    pub(super) revision: Revision,
    /// Revisions of the plugin metadata.
    metadata: Revisions,
    pub(super) plugins: Arc<OwnedSet>,
}

/// Compiles, or takes over, the plugins of resources.
pub(super) struct Owners<'a> {
    /// What upstreams and plugins are compiled among.
    pub(super) site: Site<'a>,
    before: Option<&'a Parts>,
    /// Revisions of all plugin metadata: plugins are compiled again when one moves.
    pub(super) metadata: Revisions,
}

impl<'a> Owners<'a> {
    pub(super) fn new(
        set: &'a ResourceSet,
        env: &'a CompileEnv,
        before: Option<&'a Parts>,
    ) -> Self {
        let metadata = revisions(set, Kind::PluginMetadata);
        Self {
            site: Site { set, env },
            before,
            metadata,
        }
    }

    /// The `plugins` that `key` carries at `revision`.
    pub(super) fn of(
        &self,
        key: &Key,
        revision: Revision,
        plugins: &Plugins,
        place: Place,
    ) -> Result<Owned, Problem> {
        let known = self.before.and_then(|parts| parts.owned.get(key));
        if let Some(known) = known
            && known.revision == revision
            && known.metadata == self.metadata
        {
            return Ok(known.clone());
        }
        let mut compiled = OwnedSet::new();
        for (name, config) in plugins {
            let entry = self
                .site
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
            let plugin = PluginInstance::compile(entry, config, key, metadata, self.site)?;
            compiled.insert(entry.name, plugin.map(Arc::new));
        }
        Ok(Owned {
            revision,
            metadata: Arc::clone(&self.metadata),
            plugins: Arc::new(compiled),
        })
    }

    fn metadata_of(&self, plugin: &str) -> Option<Arc<Value>> {
        let document = self.site.set.get(&Key::new(Kind::PluginMetadata, plugin))?;
        Some(Arc::clone(&document.spec))
    }
}

/// Revisions of all resources of a kind.
pub(super) fn revisions(set: &ResourceSet, kind: Kind) -> Revisions {
    let resources = set.of_kind(kind);
    resources
        .map(|resource| (resource.key.clone(), resource.modified))
        .collect()
}
