//! The plugins of the global rules, and what is left of them beside a route's own copies.

use std::sync::Arc;

use weir_plugin_api::{Entry, RunPolicy};

use crate::chain::{Chain, OwnedSet, PluginInstance};

/// Plugins that run once per request, on the route where it has them: a bit for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Preferred(u32);

impl Preferred {
    /// Those that a chain has. Plugins past the thirty-second of this kind run twice.
    pub(super) fn of(chain: &Chain, table: &[Entry]) -> Self {
        let once = table
            .iter()
            .filter(|entry| entry.run_policy == RunPolicy::PreferRoute);
        let bits = (0..u32::BITS).zip(once);
        let set = bits.filter(|(_, entry)| chain.contains(entry.name));
        Self(set.fold(0, |bits, (bit, _)| bits | 1 << bit))
    }
}

/// The global chain, whole and with plugins left out.
#[derive(Debug)]
pub(super) struct Global {
    whole: Arc<Chain>,
    /// Plugins of it that a route may have its own copy of.
    preferred: Preferred,
    /// The chain without each combination of them.
    without: Vec<(Preferred, Arc<Chain>)>,
}

impl Global {
    pub(super) fn new(rules: &[&OwnedSet], table: &[Entry]) -> Self {
        let whole = Chain::global(rules);
        let preferred = Preferred::of(&whole, table);
        // Two or three plugins of the table are of this kind.
        let combinations = (1..=preferred.0).filter(|bits| bits & !preferred.0 == 0);
        let without = combinations.map(|bits| {
            let unwanted = |plugin: &PluginInstance| {
                let alone = table
                    .iter()
                    .filter(|entry| entry.run_policy == RunPolicy::PreferRoute);
                let bit = alone
                    .zip(0..u32::BITS)
                    .find(|(entry, _)| entry.name == plugin.entry.name);
                bit.is_some_and(|(_, bit)| bits & (1 << bit) != 0)
            };
            (Preferred(bits), Arc::new(whole.without(unwanted)))
        });
        Self {
            without: without.collect(),
            preferred,
            whole: Arc::new(whole),
        }
    }

    /// The chain for requests without a route.
    pub(super) fn whole(&self) -> &Arc<Chain> {
        &self.whole
    }

    /// The chain beside a route that has these plugins itself.
    pub(super) fn beside(&self, route: Preferred) -> &Arc<Chain> {
        let both = Preferred(self.preferred.0 & route.0);
        let found = self.without.iter().find(|(without, _)| *without == both);
        found.map_or(&self.whole, |(_, chain)| chain)
    }
}
