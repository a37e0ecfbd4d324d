//! What happens on the streams, counted.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

/// The counters of one node. Cheap to clone; clones count together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counters {
    pub(crate) streams: Counter,
    pub(crate) deltas: Counter,
    pub(crate) full_sets: Counter,
    pub(crate) encodes: Counter,
    pub(crate) bytes: Counter,
    pub(crate) nacks: Counter,
    pub(crate) wrong_nonces: Counter,
    pub(crate) drifts: Counter,
    pub(crate) dropped: Counter,
}

impl Counters {
    /// Adds them to the metrics of the node.
    pub(crate) fn register(&self, registry: &mut Registry) {
        let all = [
            ("sync_streams", "Streams opened by agents", &self.streams),
            ("sync_deltas", "Deltas sent", &self.deltas),
            ("sync_full_sets", "Full sets sent", &self.full_sets),
            (
                "sync_encodes",
                "Responses encoded; streams at the same revision share one",
                &self.encodes,
            ),
            ("sync_bytes", "Bytes of configuration sent", &self.bytes),
            (
                "sync_nacks",
                "Revisions of which an agent refused a resource",
                &self.nacks,
            ),
            (
                "sync_wrong_nonces",
                "Acknowledgements ignored because nothing was sent under that nonce",
                &self.wrong_nonces,
            ),
            (
                "sync_drifts",
                "Agents found with another content than this node at the same revision",
                &self.drifts,
            ),
            (
                "sync_streams_dropped",
                "Streams ended by this node: silent, too slow, or without a valid subscription",
                &self.dropped,
            ),
        ];
        for (name, help, counter) in all {
            registry.register(name, help, counter.clone());
        }
    }
}
