//! Consumers: found by their keys, and merged into the chain of the route.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use weir_model::Id;
use weir_plugin_api::Consumer;

use super::directory::{Directory, Group, Member};
use super::route::CompiledRoute;
use crate::chain::{Chain, OwnedSet};

/// Merged chains that are kept; beyond it all are forgotten and built anew as requests come.
const MAX_MERGED: usize = 16_384;

/// Consumers, their groups and credentials. Taken over from runtime to runtime until one changes.
#[derive(Default)]
pub struct Consumers {
    pub(super) directory: Directory,
    /// Chains with a consumer merged in, by the addresses of the route's chain and the member.
    merged: RwLock<HashMap<(usize, usize), Merged>>,
}

/// A merged chain.
struct Merged {
    chain: Arc<Chain>,
    /// What it was merged from, kept so that the addresses stay theirs: consumers may outlive a
    /// runtime.
    _from: (Arc<Chain>, Arc<Member>),
}

impl Consumers {
    pub(super) fn new(directory: Directory) -> Self {
        Self {
            directory,
            merged: RwLock::default(),
        }
    }

    pub(super) fn find(&self, plugin: &str, key: &str) -> Option<Arc<Consumer>> {
        self.directory.find(plugin, key).cloned()
    }

    pub(super) fn by_name(&self, name: &str) -> Option<Arc<Consumer>> {
        let member = self.directory.member(name)?;
        Some(Arc::clone(&member.consumer))
    }

    /// The chain of `route` with the plugins of `consumer` and its group merged in.
    ///
    /// # Errors
    /// The id of a consumer group that does not exist.
    pub fn chain(&self, route: &CompiledRoute, consumer: &Consumer) -> Result<Arc<Chain>, Id> {
        let Some(member) = self.directory.member(&consumer.name) else {
            return Ok(Arc::clone(&route.chain));
        };
        let group = match &member.group {
            Some(Group::Found(plugins)) => Some(plugins.as_ref()),
            Some(Group::Missing(id)) => return Err(Arc::clone(id)),
            None => None,
        };
        if member.plugins.is_empty() && group.is_none_or(OwnedSet::is_empty) {
            return Ok(Arc::clone(&route.chain));
        }
        let name = (Arc::as_ptr(&route.chain).addr(), Arc::as_ptr(member).addr());
        let kept = self.merged.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(merged) = kept.get(&name) {
            return Ok(Arc::clone(&merged.chain));
        }
        drop(kept);
        let owners: Vec<&OwnedSet> = [Some(member.plugins.as_ref()), group]
            .into_iter()
            .flatten()
            .collect();
        let merged = Merged {
            chain: Arc::new(route.chain.with_consumer(&owners)),
            _from: (Arc::clone(&route.chain), Arc::clone(member)),
        };
        let chain = Arc::clone(&merged.chain);
        let mut kept = self.merged.write().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MAX_MERGED {
            kept.clear();
        }
        kept.insert(name, merged);
        Ok(chain)
    }
}

impl Consumers {
    pub(super) fn describe(&self) -> Vec<String> {
        let members: BTreeMap<&str, &Arc<Member>> = self.directory.members().collect();
        let mut lines: Vec<String> = members
            .into_iter()
            .map(|(name, member)| {
                let group = match &member.group {
                    None => String::new(),
                    Some(Group::Missing(id)) => format!("missing {id}"),
                    Some(Group::Found(plugins)) => texts(plugins),
                };
                let labels = &member.consumer.labels;
                format!("{name} {labels:?} {} {group}", texts(&member.plugins))
            })
            .collect();
        let mut keys: Vec<String> = self
            .directory
            .keys()
            .map(|(plugin, key, consumer)| {
                format!(
                    "{plugin} {key} {} {:?}",
                    consumer.name, consumer.credential_id
                )
            })
            .collect();
        keys.sort_unstable();
        lines.append(&mut keys);
        lines
    }
}

fn texts(plugins: &OwnedSet) -> String {
    plugins
        .iter()
        .map(|(name, plugin)| match plugin {
            Some(plugin) => plugin.describe(),
            None => format!("{name} off"),
        })
        .collect::<Vec<_>>()
        .join(", ")
}
