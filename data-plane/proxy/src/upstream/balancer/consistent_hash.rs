//! Ring hash: the same key goes to the same node as with APISIX (objects.md section 7).
//!
//! Every node has 160 points per weight unit after all weights are divided by their greatest common
//! divisor. A point is the CRC-32 of the node's name followed by the previous point; a key is its
//! CRC-32. A node that may not be taken is skipped clockwise, so that other keys stay put.

use crc32fast::Hasher;

use super::round_robin::gcd_of;
use crate::upstream::node::NodeRuntime;

const POINTS_PER_WEIGHT: u64 = 160;
/// Most points of a ring; larger weights are scaled down, in proportion, to fit.
const MAX_POINTS: u64 = 400_000;

/// Points, ordered by hash.
#[derive(Debug)]
pub(super) struct Ring {
    points: Vec<(u32, u32)>,
}

impl Ring {
    /// The ring of the `members` among `nodes`; `weights` belong to the members.
    pub(super) fn new(nodes: &[NodeRuntime], members: &[usize], weights: &[u32]) -> Self {
        let divisor = u64::from(gcd_of(weights).max(1));
        let units: u64 = weights
            .iter()
            .map(|weight| u64::from(*weight) / divisor)
            .sum();
        let scale = (units * POINTS_PER_WEIGHT).div_ceil(MAX_POINTS).max(1);
        let mut points = Vec::new();
        for (member, weight) in members.iter().zip(weights) {
            let Some(node) = nodes.get(*member) else {
                continue;
            };
            let count = (u64::from(*weight) / divisor * POINTS_PER_WEIGHT / scale).max(1);
            let mut base = Hasher::new();
            base.update(node.host.as_bytes());
            base.update(&[0]);
            base.update(node.port.to_string().as_bytes());
            let mut point = 0_u32;
            for _ in 0..count {
                let mut hasher = base.clone();
                hasher.update(&point.to_le_bytes());
                point = hasher.finalize();
                points.push((point, u32::try_from(*member).unwrap_or(u32::MAX)));
            }
        }
        points.sort_unstable();
        Self { points }
    }

    /// The node of `key`, or the next one clockwise that `may` be taken.
    pub(super) fn pick(&self, key: &[u8], may: impl Fn(usize) -> bool) -> Option<usize> {
        let hash = crc32fast::hash(key);
        let start = self.points.partition_point(|(point, _)| *point < hash);
        let (before, behind) = self.points.split_at(start);
        behind
            .iter()
            .chain(before)
            .map(|(_, node)| *node as usize)
            .find(|node| may(*node))
    }
}
