//! Consumers: found by their keys, and merged into the chain of the route.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use weir_model::Id;
use weir_plugin_api::Consumer;

use super::route::CompiledRoute;
use crate::chain::{Chain, OwnedSet};

/// Merged chains that are kept; beyond it all are forgotten and built anew as requests come.
const MAX_MERGED: usize = 16_384;

/// What a consumer brings along.
pub(super) struct Member {
    pub(super) consumer: Arc<Consumer>,
    pub(super) plugins: Arc<OwnedSet>,
    pub(super) group: Option<Group>,
}

/// The consumer's group.
pub(super) enum Group {
    Found(Arc<OwnedSet>),
    Missing(Id),
}

/// Consumers, their groups and credentials. Taken over from runtime to runtime until one changes.
#[derive(Default)]
pub struct Consumers {
    pub(super) members: HashMap<String, Member>,
    /// By plugin, then by unique key.
    pub(super) keys: HashMap<&'static str, HashMap<String, Arc<Consumer>>>,
    /// Chains with a consumer merged in, by the addresses of the route's chain and the member.
    merged: RwLock<HashMap<(usize, usize), Merged>>,
}

/// A merged chain.
struct Merged {
    chain: Arc<Chain>,
    /// The route's chain, kept so that its address stays its own: consumers may outlive a runtime.
    _base: Arc<Chain>,
}

impl Consumers {
    pub(super) fn find(&self, plugin: &str, key: &str) -> Option<Arc<Consumer>> {
        self.keys.get(plugin)?.get(key).cloned()
    }

    pub(super) fn by_name(&self, name: &str) -> Option<Arc<Consumer>> {
        self.members
            .get(name)
            .map(|member| Arc::clone(&member.consumer))
    }

    /// The chain of `route` with the plugins of `consumer` and its group merged in.
    ///
    /// # Errors
    /// The id of a consumer group that does not exist.
    pub fn chain(&self, route: &CompiledRoute, consumer: &Consumer) -> Result<Arc<Chain>, Id> {
        let Some(member) = self.members.get(&consumer.name) else {
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
        // Members do not move: they are not touched once the index is built.
        let name = (
            Arc::as_ptr(&route.chain).addr(),
            std::ptr::from_ref(member).addr(),
        );
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
            _base: Arc::clone(&route.chain),
        };
        let chain = Arc::clone(&merged.chain);
        let mut kept = self.merged.write().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MAX_MERGED {
            kept.clear();
        }
        kept.insert(name, merged);
        Ok(chain)
    }

    pub(super) fn describe(&self) -> Vec<String> {
        let names: BTreeMap<&String, &Member> = self.members.iter().collect();
        let mut lines: Vec<String> = names
            .into_iter()
            .map(|(name, member)| {
                let group = match &member.group {
                    None => String::new(),
                    Some(Group::Missing(id)) => format!("missing {id}"),
                    Some(Group::Found(plugins)) => texts(plugins),
                };
                format!(
                    "{name} {:?} {} {group}",
                    member.consumer.labels,
                    texts(&member.plugins)
                )
            })
            .collect();
        let mut keys: Vec<String> = self
            .keys
            .iter()
            .flat_map(|(plugin, keys)| {
                keys.iter().map(move |(key, consumer)| {
                    format!(
                        "{plugin} {key} {} {:?}",
                        consumer.name, consumer.credential_id
                    )
                })
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
