//! Merging: the configuration of one name is taken whole from the strongest owner,
//! consumer > consumer group > route > plugin config > service (objects.md section 6).

use std::collections::BTreeMap;
use std::sync::Arc;

use weir_plugin_api::Phase;

use super::{Chain, PHASES, PluginInstance, Slot};

/// The plugins that one resource carries, by name. `None` is one that `_meta.disable` switches off:
/// it does not run, and hides that of a weaker owner like any other.
pub type OwnedSet = BTreeMap<&'static str, Option<Arc<PluginInstance>>>;

/// Numbers of plugins that come with a consumer: apart from those of the route.
const CONSUMER_INSTANCES: u32 = 1 << 16;
/// Numbers of plugins of global rules.
const GLOBAL_INSTANCES: u32 = 1 << 24;

/// Owners of plugins, strongest first.
#[derive(Default)]
pub struct Merge<'a> {
    /// The sets, strongest first.
    pub owners: Vec<&'a OwnedSet>,
}

impl Merge<'_> {
    /// The chain of a route without consumer.
    #[must_use]
    pub fn chain(&self) -> Chain {
        let mut merged: OwnedSet = OwnedSet::new();
        for owner in &self.owners {
            for (name, plugin) in *owner {
                merged.entry(name).or_insert_with(|| plugin.clone());
            }
        }
        let slots = merged
            .into_values()
            .flatten()
            .enumerate()
            .map(|(number, plugin)| Slot {
                instance: u32::try_from(number).unwrap_or(u32::MAX),
                plugin,
            });
        Chain::ordered(slots.collect(), |_| false)
    }
}

impl Chain {
    /// The chain of global rules: a plugin that is in two of them runs in none but the first.
    #[must_use]
    pub fn global(rules: &[&OwnedSet]) -> Self {
        let mut merged: OwnedSet = OwnedSet::new();
        for rule in rules {
            for (name, plugin) in *rule {
                if plugin.is_some() {
                    merged.entry(name).or_insert_with(|| plugin.clone());
                }
            }
        }
        let slots = merged.into_values().flatten().zip(GLOBAL_INSTANCES..);
        let slots = slots.map(|(plugin, instance)| Slot { instance, plugin });
        Self::ordered(slots.collect(), |_| false)
    }

    /// This chain with the plugins of a consumer, strongest owner first. Plugins that were there
    /// and stay keep their number, and thereby their state of the request.
    #[must_use]
    pub fn with_consumer(&self, owners: &[&OwnedSet]) -> Self {
        let mut added: OwnedSet = OwnedSet::new();
        for owner in owners {
            for (name, plugin) in *owner {
                added.entry(name).or_insert_with(|| plugin.clone());
            }
        }
        let kept = self
            .slots
            .iter()
            .filter(|slot| !added.contains_key(slot.plugin.entry.name));
        let mut slots: Vec<Slot> = kept.cloned().collect();
        let before: Vec<&str> = self
            .slots
            .iter()
            .map(|slot| slot.plugin.entry.name)
            .collect();
        // Those that were on the route have had their rewrite phase already.
        let fresh: Vec<&str> = added
            .keys()
            .copied()
            .filter(|name| !before.contains(name))
            .collect();
        let new = added.into_values().flatten().zip(CONSUMER_INSTANCES..);
        slots.extend(new.map(|(plugin, instance)| Slot { instance, plugin }));
        Self::ordered(slots, |slot| {
            !slot.plugin.entry.auth && fresh.contains(&slot.plugin.entry.name)
        })
    }

    /// This chain without the plugins that `unwanted` names.
    #[must_use]
    pub fn without(&self, unwanted: impl Fn(&PluginInstance) -> bool) -> Self {
        let kept = self.slots.iter().filter(|slot| !unwanted(&slot.plugin));
        Self::ordered(kept.cloned().collect(), |_| false)
    }

    fn ordered(mut slots: Vec<Slot>, added: impl Fn(&Slot) -> bool) -> Self {
        slots.sort_by(|a, b| {
            let (a, b) = (&a.plugin, &b.plugin);
            b.priority
                .cmp(&a.priority)
                .then_with(|| a.entry.name.cmp(b.entry.name))
        });
        let at = |wanted: &dyn Fn(&Slot) -> bool| -> Vec<u32> {
            (0_u32..)
                .zip(&slots)
                .filter(|(_, slot)| wanted(slot))
                .map(|(at, _)| at)
                .collect()
        };
        let phase = |phase: Phase| at(&|slot: &Slot| slot.plugin.entry.phases.contains(phase));
        let phases: [Vec<u32>; PHASES] = [
            phase(Phase::Rewrite),
            phase(Phase::Access),
            phase(Phase::BeforeProxy),
            phase(Phase::HeaderFilter),
            phase(Phase::BodyFilter),
            phase(Phase::Log),
        ];
        let added =
            at(&|slot: &Slot| added(slot) && slot.plugin.entry.phases.contains(Phase::Rewrite));
        Self {
            reads_body: slots.iter().any(|slot| slot.plugin.reads_body),
            slots,
            phases,
            added,
        }
    }
}
