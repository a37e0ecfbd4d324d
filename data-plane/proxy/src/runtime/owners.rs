//! The plugins that one resource carries.

use std::sync::Arc;

use weir_model::plugin::Plugins;
use weir_model::{Key, Problem};

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

/// Compiles the plugins of resources.
pub(super) struct Owners<'a> {
    /// What upstreams and plugins are compiled among.
    pub(super) site: Site<'a>,
}

impl Owners<'_> {
    /// The `plugins` that `key` carries.
    pub(super) fn of(
        &self,
        key: &Key,
        plugins: &Plugins,
        place: Place,
    ) -> Result<Arc<OwnedSet>, Problem> {
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
            let metadata = self.site.metadata_of(entry.metadata_of);
            let plugin = PluginInstance::compile(entry, config, key, metadata, self.site)?;
            compiled.insert(entry.name, plugin.map(Arc::new));
        }
        Ok(Arc::new(compiled))
    }
}
