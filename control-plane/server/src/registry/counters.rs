//! What happens between this node and registries, counted.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use weir_discovery::ErrorKind;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

/// The counters of one node. Cheap to clone; clones count together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counters {
    pub(super) changes: Counter,
    pub(super) held: Counter,
    failures: Family<KindLabel, Counter>,
}

impl Counters {
    /// Adds them to the metrics of the node.
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "discovery_changes",
            "Endpoint sets that changed",
            self.changes.clone(),
        );
        registry.register(
            "discovery_answers_held",
            "Answers of registries that were held back",
            self.held.clone(),
        );
        registry.register(
            "discovery_failures",
            "Attempts to read a registry that failed",
            self.failures.clone(),
        );
    }

    /// Counts a failure.
    pub(super) fn failed(&self, kind: ErrorKind) {
        let label = KindLabel {
            kind: kind.as_str(),
        };
        self.failures.get_or_create(&label).inc();
    }
}
