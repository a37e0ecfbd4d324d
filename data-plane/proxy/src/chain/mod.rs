//! Plugins of one request: merged, ordered, one list per phase.

mod active;
mod build;
mod instance;
mod run;

use std::sync::{Arc, LazyLock};

use weir_plugin_api::Phase;

pub use active::Active;
pub(crate) use active::changed;
pub use build::{Merge, OwnedSet};
pub use instance::PluginInstance;
pub(crate) use instance::fingerprint;

/// Phases that a chain keeps a list for, in order of [`Phase`].
const PHASES: usize = 6;

/// A plugin at its place in a chain.
#[derive(Clone)]
pub struct Slot {
    /// Distinguishes two copies of one plugin in one request.
    pub instance: u32,
    /// The plugin.
    pub plugin: Arc<PluginInstance>,
}

/// An ordered set of plugins. Immutable.
#[derive(Default)]
pub struct Chain {
    slots: Vec<Slot>,
    /// Positions in `slots`, per phase.
    phases: [Vec<u32>; PHASES],
    /// Positions of plugins that came with the consumer and have not seen the rewrite phase.
    added: Vec<u32>,
    reads_body: bool,
}

impl Chain {
    /// The one chain without plugins.
    #[must_use]
    pub fn empty() -> Arc<Self> {
        static EMPTY: LazyLock<Arc<Chain>> = LazyLock::new(Arc::default);
        Arc::clone(&EMPTY)
    }

    /// Whether no plugin is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Whether some plugin filters bodies.
    #[must_use]
    pub fn has_body_filter(&self) -> bool {
        !self.of(Phase::BodyFilter).is_empty()
    }

    /// Whether some plugin runs in the log phase.
    #[must_use]
    pub fn has_log(&self) -> bool {
        !self.of(Phase::Log).is_empty()
    }

    /// Whether some plugin looks at the body of the request.
    #[must_use]
    pub fn reads_body(&self) -> bool {
        self.reads_body
    }

    /// The plugins in order.
    #[must_use]
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Whether a plugin of this name is in it.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.slots.iter().any(|slot| slot.plugin.entry.name == name)
    }

    fn of(&self, phase: Phase) -> &[u32] {
        self.phases.get(phase as usize).map_or(&[], Vec::as_slice)
    }
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.slots.iter().map(|slot| slot.plugin.describe()))
            .finish()
    }
}
