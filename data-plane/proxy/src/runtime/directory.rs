//! Consumers by name and by the keys that they show. Persistent: a clone is cheap, and a change
//! costs the same whatever the number of consumers.

use std::sync::Arc;

use foldhash::quality::RandomState;
use imbl::GenericHashMap;
use imbl::shared_ptr::DefaultSharedPtr;
use serde_json::Value;
use weir_model::consumer::Consumer as ConsumerSpec;
use weir_model::credential::Credential;
use weir_model::plugin::Plugins;
use weir_model::secret::is_reference;
use weir_model::{Id, Key, Kind};
use weir_plugin_api::{Consumer, Entry};

use super::parts::Parts;
use crate::chain::OwnedSet;

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

/// Everybody who shows one key, by the resource that says so, ordered. The last one counts, as the
/// one that is loaded last.
type Holders = Arc<[(Key, Arc<Consumer>)]>;

/// A table whose searches are short beside what is done with what they find; all bits of the hash are
/// as good, which a trie needs.
type Table<K, V> = GenericHashMap<K, V, RandomState, DefaultSharedPtr>;

/// The index.
#[derive(Clone, Default)]
pub(super) struct Directory {
    members: Table<Id, Arc<Member>>,
    /// By plugin, then by unique key.
    keys: Table<&'static str, Table<String, Holders>>,
}

impl Directory {
    /// Whom a plugin's key belongs to.
    pub(super) fn find(&self, plugin: &str, key: &str) -> Option<&Arc<Consumer>> {
        let holders = self.keys.get(plugin)?.get(key)?;
        holders.last().map(|(_, consumer)| consumer)
    }

    /// Whether anybody has a key of a plugin.
    pub(super) fn has(&self, plugin: &str) -> bool {
        self.keys.get(plugin).is_some_and(|keys| !keys.is_empty())
    }

    /// A consumer by name.
    pub(super) fn member(&self, name: &str) -> Option<&Arc<Member>> {
        self.members.get(name)
    }

    /// All consumers by name.
    pub(super) fn members(&self) -> impl Iterator<Item = (&str, &Arc<Member>)> {
        self.members.iter().map(|(name, member)| (&**name, member))
    }

    /// All keys, with whom they belong to.
    pub(super) fn keys(&self) -> impl Iterator<Item = (&str, &str, &Arc<Consumer>)> {
        let plugins = self.keys.iter();
        let keys = plugins.flat_map(|(plugin, keys)| keys.iter().map(move |key| (*plugin, key)));
        keys.filter_map(|(plugin, (key, holders))| {
            let (_, consumer) = holders.last()?;
            Some((plugin, key.as_str(), consumer))
        })
    }

    /// Takes out what the form of a consumer or credential that is in use brought in.
    pub(super) fn remove(&mut self, key: &Key, parts: &Parts, table: &'static [Entry]) {
        if key.kind == Kind::Consumer {
            self.members.remove(&key.id);
        }
        let Some((_, plugins)) = forms(key, parts) else {
            return;
        };
        for (entry, text, _) in shown(plugins, table) {
            self.change(entry.name, text, |holders| {
                holders.retain(|(owner, _)| owner != key)
            });
        }
    }

    /// Brings in the form of a consumer or credential that is in use.
    pub(super) fn add(&mut self, key: &Key, parts: &Parts, table: &'static [Entry]) {
        let Some((spec, plugins)) = forms(key, parts) else {
            return;
        };
        let credential = (key.kind == Kind::Credential).then(|| key.leaf());
        for (entry, text, config) in shown(plugins, table) {
            let consumer = Arc::new(Consumer {
                auth_config: Arc::new(config.clone()),
                prepared: entry.prepare_consumer(config),
                ..identity(spec, credential)
            });
            self.change(entry.name, text, |holders| {
                let at = holders.partition_point(|(owner, _)| owner < key);
                holders.insert(at, (key.clone(), consumer));
            });
        }
        if let (Kind::Consumer, Some(form)) = (key.kind, parts.consumers.get(key)) {
            let group = spec.group_id.as_ref().map(|id| {
                let group = Key::new(Kind::ConsumerGroup, Arc::clone(id));
                match parts.groups.get(&group) {
                    Some(plugins) => Group::Found(Arc::clone(plugins)),
                    None => Group::Missing(Arc::clone(id)),
                }
            });
            let member = Member {
                consumer: Arc::new(identity(spec, None)),
                plugins: Arc::clone(&form.plugins),
                group,
            };
            self.members.insert(Arc::clone(&key.id), Arc::new(member));
        }
    }

    fn change(
        &mut self,
        plugin: &'static str,
        text: String,
        change: impl FnOnce(&mut Vec<(Key, Arc<Consumer>)>),
    ) {
        let keys = self.keys.entry(plugin).or_default();
        let mut holders = keys
            .get(&text)
            .map(|known| known.to_vec())
            .unwrap_or_default();
        change(&mut holders);
        if holders.is_empty() {
            keys.remove(&text);
        } else {
            keys.insert(text, holders.into());
        }
    }
}

/// The consumer that a consumer or a credential stands for, and the plugins that identify it.
fn forms<'p>(key: &Key, parts: &'p Parts) -> Option<(&'p ConsumerSpec, &'p Plugins)> {
    if key.kind == Kind::Consumer {
        let spec = &parts.consumers.get(key)?.spec;
        return Some((spec, &spec.plugins));
    }
    let owner = parts.consumers.get(&Credential::consumer_of(key)?)?;
    Some((&owner.spec, &parts.credentials.get(key)?.plugins))
}

/// The keys that plugin configurations make a consumer findable by.
fn shown<'p>(
    plugins: &'p Plugins,
    table: &'static [Entry],
) -> impl Iterator<Item = (&'static Entry, String, &'p Value)> {
    plugins.iter().filter_map(|(name, config)| {
        let mut auth = table.iter().filter(|entry| entry.auth);
        let entry = auth.find(|entry| entry.name == name.as_str())?;
        // What a reference stands for is not known here; its text must not open any door.
        let key = entry
            .consumer_key(config)
            .filter(|key| !is_reference(key))?;
        Some((entry, key, config))
    })
}

/// What authentication finds.
fn identity(spec: &ConsumerSpec, credential: Option<&str>) -> Consumer {
    Consumer {
        name: spec.username.clone(),
        group_id: spec.group_id.as_ref().map(ToString::to_string),
        labels: spec.labels.clone(),
        credential_id: credential.map(str::to_owned),
        ..Consumer::default()
    }
}
