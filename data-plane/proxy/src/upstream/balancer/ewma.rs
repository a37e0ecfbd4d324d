//! Peak EWMA with the power of two choices: of two random nodes the one with the lower expected
//! cost, which is its decayed latency times its load. Weights do not count (objects.md section 7).

use super::Choice;
use crate::upstream::node::NodeRuntime;

/// The better of two random members that were not tried.
pub(super) fn pick(nodes: &[NodeRuntime], members: &[usize], choice: &Choice<'_>) -> Option<usize> {
    let free: Vec<usize> = members
        .iter()
        .copied()
        .filter(|member| choice.may(*member))
        .collect();
    let count = free.len() as u64;
    let at = |index: u64| {
        usize::try_from(index)
            .ok()
            .and_then(|index| free.get(index).copied())
    };
    if count <= 1 {
        return free.first().copied();
    }
    let first = choice.random % count;
    let second = (first + 1 + (choice.random >> 32) % (count - 1)) % count;
    let (first, second) = (at(first)?, at(second)?);
    let cost = |member: usize| {
        nodes.get(member).map_or(f64::INFINITY, |node| {
            // A node without a measurement is worth a try.
            let latency = node.latency_ms(choice.now_ms).max(0.001);
            latency * node.load()
        })
    };
    Some(if cost(second) < cost(first) {
        second
    } else {
        first
    })
}
