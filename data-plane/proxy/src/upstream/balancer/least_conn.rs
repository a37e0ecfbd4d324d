//! Least connections: the smallest (in-flight + 1) / weight.

use super::Choice;
use crate::upstream::node::NodeRuntime;

/// The least busy member that was not tried; the first of equals, from a random start, so that
/// an idle upstream is served evenly.
pub(super) fn pick(nodes: &[NodeRuntime], members: &[usize], choice: &Choice<'_>) -> Option<usize> {
    let count = members.len();
    let start = usize::try_from(choice.random % (count.max(1) as u64)).unwrap_or(0);
    let mut best: Option<(f64, usize)> = None;
    for step in 0..count {
        let Some(member) = members.get((start + step) % count) else {
            continue;
        };
        let Some(node) = nodes.get(*member).filter(|_| choice.may(*member)) else {
            continue;
        };
        let load = node.load() / f64::from(node.weight.max(1));
        if best.is_none_or(|(least, _)| load < least) {
            best = Some((load, *member));
        }
    }
    best.map(|(_, member)| member)
}
