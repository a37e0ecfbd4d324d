//! Least connections: the smallest (in-flight + 1) / weight.

use super::Choice;
use crate::upstream::node::NodeRuntime;
use crate::upstream::selection::Tier;

/// The least busy member that may be taken; the first of equals, from a random start, so that an
/// idle upstream is served evenly.
pub(super) fn pick(nodes: &[NodeRuntime], tier: &Tier, choice: &Choice<'_>) -> Option<usize> {
    let count = tier.members.len();
    let start = usize::try_from(choice.random % (count.max(1) as u64)).unwrap_or(0);
    let mut best: Option<(f64, usize)> = None;
    for step in 0..count {
        let slot = (start + step) % count;
        let (Some(member), Some(weight)) = (tier.members.get(slot), tier.weights.get(slot)) else {
            continue;
        };
        let Some(node) = nodes.get(*member).filter(|_| choice.may(*member)) else {
            continue;
        };
        let load = (node.in_flight() + 1.0) / f64::from((*weight).max(1));
        if best.is_none_or(|(least, _)| load < least) {
            best = Some((load, *member));
        }
    }
    best.map(|(_, member)| member)
}
