//! What a control node is told about the health of nodes: what changed since it was told last.
//!
//! [`collect`] reads what is now, [`Reporter`] decides what of it is worth a message. One message a
//! tick at most, of [`MAX_NODES`] nodes or one upstream; what does not fit comes with the next tick, and
//! what changed twice meanwhile is told once.

mod collect;

use std::collections::BTreeMap;
use std::time::Duration;

use weir_model::Key;
pub(crate) use weir_proto::health::Report;
use weir_proto::health::{NodeHealth, UpstreamHealth};

pub(crate) use collect::collect;

/// Between two looks at what changed.
pub(crate) const TICK: Duration = Duration::from_secs(1);
/// Looks after which the whole is compared even if no state moved: texts of errors may have changed.
const FULL_LOOK: u32 = 15;
/// Nodes of one message, beyond the first upstream in it.
const MAX_NODES: usize = 1000;
/// Nodes of one upstream; the others are only counted.
const MAX_NODES_OF_ONE: usize = 2000;
/// Nodes of all upstreams together; upstreams beyond are not told of.
const MAX_NODES_OF_ALL: usize = 20_000;

/// Checked upstreams by the resource that carries them.
pub(crate) type Upstreams = BTreeMap<Key, UpstreamHealth>;

/// Knows what one control node was told on one stream.
#[derive(Debug, Default)]
pub(crate) struct Reporter {
    /// As it was told.
    told: Upstreams,
    began: bool,
    /// Something did not fit.
    behind: bool,
    /// The upstream that was told of last: the next message begins behind it.
    last: Option<Key>,
    /// What [`Reporter::is_due`] saw last.
    seen: Option<u64>,
    idle: u32,
}

impl Reporter {
    /// Whether it is worth to look: something moved, did not fit, or has not been looked at for long.
    /// `mark` differs whenever a state or the configuration has changed.
    pub(crate) fn is_due(&mut self, mark: u64) -> bool {
        self.idle += 1;
        let due = self.behind || self.seen != Some(mark) || self.idle >= FULL_LOOK;
        if due {
            self.seen = Some(mark);
            self.idle = 0;
        }
        due
    }

    /// The next message, if there is anything to tell. It counts as told.
    pub(crate) fn next(&mut self, now: &Upstreams) -> Option<Report> {
        let removals: Vec<Key> = self
            .told
            .keys()
            .filter(|key| !now.contains_key(*key))
            .cloned()
            .collect();
        for key in &removals {
            self.told.remove(key);
        }
        let full = !std::mem::replace(&mut self.began, true);
        let mut report = Report {
            full,
            upstreams: Vec::new(),
            removals: removals.iter().map(Into::into).collect(),
        };
        let mut room = MAX_NODES;
        self.behind = false;
        let (before, after): (Vec<_>, Vec<_>) = now
            .iter()
            .partition(|(key, _)| self.last.as_ref().is_some_and(|last| *key <= last));
        for (key, upstream) in after.into_iter().chain(before) {
            if self.told.get(key).is_some_and(|told| same(told, upstream)) {
                continue;
            }
            let size = upstream.nodes.len().max(1);
            if size > room && !report.upstreams.is_empty() {
                self.behind = true;
                break;
            }
            room = room.saturating_sub(size);
            report.upstreams.push(upstream.clone());
            self.told.insert(key.clone(), upstream.clone());
            self.last = Some(key.clone());
        }
        let empty = report.upstreams.is_empty() && report.removals.is_empty();
        (full || !empty).then_some(report)
    }
}

/// Whether two views tell an operator the same: times that move on their own do not count.
fn same(a: &UpstreamHealth, b: &UpstreamHealth) -> bool {
    let still = |node: &NodeHealth| NodeHealth {
        last_error_ms: 0,
        slow_start_until_ms: 0,
        ..node.clone()
    };
    let without_nodes = |upstream: &UpstreamHealth| UpstreamHealth {
        nodes: Vec::new(),
        key: upstream.key.clone(),
        check: upstream.check.clone(),
        fallback: upstream.fallback.clone(),
        ..*upstream
    };
    a.nodes.len() == b.nodes.len()
        && without_nodes(a) == without_nodes(b)
        && a.nodes
            .iter()
            .zip(&b.nodes)
            .all(|(a, b)| a == b || still(a) == still(b))
}

#[cfg(test)]
mod tests;
