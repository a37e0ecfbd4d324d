//! Consumers: found by their keys, and merged into the chain of the route.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use weir_model::Id;
use weir_plugin_api::Consumer;

use super::route::CompiledRoute;
use crate::chain::{Chain, OwnedSet};

/// Merged chains that are kept; beyond it they are built per request.
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

/// Consumers of one revision.
#[derive(Default)]
pub struct Consumers {
    pub(super) members: HashMap<String, Member>,
    /// By plugin, then by unique key.
    pub(super) keys: HashMap<&'static str, HashMap<String, Arc<Consumer>>>,
    /// Chains with a consumer merged in, by the route's chain and the consumer's name.
    merged: Mutex<HashMap<(usize, String), Arc<Chain>>>,
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
        let mut owners: Vec<&OwnedSet> = vec![&member.plugins];
        match &member.group {
            Some(Group::Found(plugins)) => owners.push(plugins),
            Some(Group::Missing(id)) => return Err(Arc::clone(id)),
            None => {}
        }
        if owners.iter().all(|owner| owner.is_empty()) {
            return Ok(Arc::clone(&route.chain));
        }
        // The chain lives as long as the route, and that as long as this runtime: its address is
        // a name for it.
        let name = (Arc::as_ptr(&route.chain).addr(), consumer.name.clone());
        let mut merged = self.merged.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(chain) = merged.get(&name) {
            return Ok(Arc::clone(chain));
        }
        let chain = Arc::new(route.chain.with_consumer(&owners));
        if merged.len() < MAX_MERGED {
            merged.insert(name, Arc::clone(&chain));
        }
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
        .values()
        .map(|plugin| plugin.describe())
        .collect::<Vec<_>>()
        .join(", ")
}
