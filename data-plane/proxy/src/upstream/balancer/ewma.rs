//! Peak EWMA with the power of two choices: of two random nodes the one with the lower decayed
//! latency. Unlike in APISIX weights count: a node is drawn as often as its weight says, and
//! requests under way count against it, in proportion to its weight.

use super::Choice;
use crate::upstream::node::NodeRuntime;
use crate::upstream::selection::Tier;

/// Costs that differ by less than this, in milliseconds or as a part of the smaller one, are equal:
/// the weights decide then, and not the noise of a measurement.
const NOISE_MS: f64 = 1.0;
const NOISE_PART: f64 = 0.25;

/// The better of two members that may be taken, drawn at random by their weights.
pub(super) fn pick(nodes: &[NodeRuntime], tier: &Tier, choice: &Choice<'_>) -> Option<usize> {
    let free = || {
        let members = tier
            .members
            .iter()
            .copied()
            .zip(tier.weights.iter().copied());
        members.filter(|(member, _)| choice.may(*member))
    };
    let total: u64 = free().map(|(_, weight)| u64::from(weight)).sum();
    let draw = |random: u64, without: Option<(usize, u32)>| {
        let rest = total - without.map_or(0, |(_, weight)| u64::from(weight));
        let mut point = random.checked_rem(rest)?;
        free()
            .filter(|(member, _)| without.is_none_or(|(taken, _)| taken != *member))
            .find(|(_, weight)| {
                let here = point < u64::from(*weight);
                point = point.wrapping_sub(u64::from(*weight));
                here
            })
    };
    let first = draw(choice.random, None)?;
    let Some(second) = draw(mixed(choice.random), Some(first)) else {
        return Some(first.0);
    };
    let mean = total as f64 / free().count().max(1) as f64;
    let cost = |(member, weight): (usize, u32)| {
        nodes.get(member).map_or(f64::INFINITY, |node| {
            let busy = node.in_flight() * mean / f64::from(weight.max(1));
            node.latency_ms(choice.now_ms) * (1.0 + busy)
        })
    };
    let (one, other) = (cost(first), cost(second));
    let noise = (one.min(other) * NOISE_PART).max(NOISE_MS);
    Some(if other + noise < one {
        second.0
    } else {
        first.0
    })
}

/// Another random number out of one (the finaliser of splitmix64).
fn mixed(random: u64) -> u64 {
    let random = random.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let random = (random ^ (random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let random = (random ^ (random >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    random ^ (random >> 31)
}
