//! Ring hash: the same key goes to the same node as with APISIX (objects.md section 7).
//!
//! The ring is that of lua-resty-chash (openresty/lua-resty-balancer, `lib/resty/chash.lua` and
//! `chash.c`, which is nginx's `hash ... consistent`): every node has 160 points per weight unit
//! after all weights are divided by their greatest common divisor; a point is the CRC-32 of the
//! node's id followed by the four bytes of the previous point, little end first, from 0 on; a key
//! belongs to the first point that is not below its CRC-32. The id is what APISIX makes of a node
//! (`apisix/balancer/chash.lua`): `host:port` with each colon replaced by a zero byte.
//!
//! All nodes are on the ring whatever their health; one that may not be taken is skipped clockwise,
//! so that other keys stay put.

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
        let ids = members
            .iter()
            .map(|member| nodes.get(*member).map(id).unwrap_or_default());
        let ids: Vec<(u32, Vec<u8>)> = members
            .iter()
            .map(|member| u32::try_from(*member).unwrap_or(u32::MAX))
            .zip(ids)
            .collect();
        Self::of_ids(&ids, weights)
    }

    fn of_ids(ids: &[(u32, Vec<u8>)], weights: &[u32]) -> Self {
        let divisor = u64::from(gcd_of(weights).max(1));
        let units: u64 = weights
            .iter()
            .map(|weight| u64::from(*weight) / divisor)
            .sum();
        let scale = (units * POINTS_PER_WEIGHT).div_ceil(MAX_POINTS).max(1);
        let mut points = Vec::new();
        for ((member, id), weight) in ids.iter().zip(weights) {
            let count = (u64::from(*weight) / divisor * POINTS_PER_WEIGHT / scale).max(1);
            let mut base = Hasher::new();
            base.update(id);
            let mut point = 0_u32;
            for _ in 0..count {
                let mut hasher = base.clone();
                hasher.update(&point.to_le_bytes());
                point = hasher.finalize();
                points.push((point, *member));
            }
        }
        points.sort_unstable();
        Self { points }
    }

    /// The node of `key`, or the next one clockwise that `may` be taken.
    pub(super) fn pick(&self, key: &[u8], may: impl Fn(usize) -> bool) -> Option<usize> {
        let (before, behind) = self.points.split_at(self.position(key));
        behind
            .iter()
            .chain(before)
            .map(|(_, node)| *node as usize)
            .find(|node| may(*node))
    }

    /// Position of the point that a key belongs to; the number of points means the first one.
    fn position(&self, key: &[u8]) -> usize {
        let hash = crc32fast::hash(key);
        self.points.partition_point(|(point, _)| *point < hash)
    }
}

/// The id of a node: that of its address where it is known, since APISIX replaces names too; IPv6
/// addresses have their brackets, as APISIX writes them.
fn id(node: &NodeRuntime) -> Vec<u8> {
    node.place.replace(':', "\u{0}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(nodes: &[(&str, u32)]) -> Ring {
        let ids: Vec<(u32, Vec<u8>)> = (0..)
            .zip(
                nodes
                    .iter()
                    .map(|(id, _)| id.replace(':', "\u{0}").into_bytes()),
            )
            .collect();
        let weights: Vec<u32> = nodes.iter().map(|(_, weight)| *weight).collect();
        Ring::of_ids(&ids, &weights)
    }

    fn shares(ring: &Ring, nodes: usize, keys: impl Iterator<Item = String>) -> Vec<u32> {
        let mut counts = vec![0; nodes];
        for key in keys {
            counts[ring.pick(key.as_bytes(), |_| true).unwrap()] += 1;
        }
        counts
    }

    /// The figures are those that lua-resty-balancer's own test states (`t/chash.t`).
    #[test]
    fn keys_fall_as_with_the_library() {
        let nodes = [("server1", 10), ("server2", 2), ("server3", 1)];
        let ring = ring(&nodes);
        assert_eq!(ring.points.len(), 2080);
        let keys = (1..=100_000).map(|number: u32| number.to_string());
        assert_eq!(shares(&ring, 3, keys), [77_075, 14_743, 8_182]);
    }

    #[test]
    fn points_are_walked_as_with_the_library() {
        let ring = ring(&[("server1", 2), ("server2", 2), ("server3", 1)]);
        let position = ring.position(b"foo");
        assert_eq!(position, 434);
        assert_eq!(ring.points[position].1, 0);
        assert_eq!(ring.points[position + 100].1, 1);
    }

    #[test]
    fn as_many_keys_move_as_with_the_library() {
        let before = ring(&[("server1", 7), ("server2", 2), ("server3", 1)]);
        let after = ring(&[("server1", 8), ("server2", 2), ("server3", 1)]);
        let without = ring(&[("server1", 8), ("server2", 2)]);
        let differ = |a: &Ring, b: &Ring| {
            let keys = (1..=100_000).map(|number: u32| number.to_string());
            keys.filter(|key| a.pick(key.as_bytes(), |_| true) != b.pick(key.as_bytes(), |_| true))
                .count()
        };
        assert_eq!(differ(&before, &after), 2_394);
        // Weights 8 and 2 are 4 and 1 here; the library keeps its points when a node goes.
        let eight_to_two = Ring {
            points: after
                .points
                .iter()
                .copied()
                .filter(|(_, node)| *node != 2)
                .collect(),
        };
        assert_eq!(differ(&after, &eight_to_two), 9_745);
        assert_eq!(without.points.len(), 800);
    }

    /// The figures are those of APISIX's own test (`t/node/chash-balance.t`).
    #[test]
    fn requests_fall_as_with_apisix() {
        let two = ring(&[("127.0.0.1:1980", 1), ("127.0.0.1:1981", 1)]);
        assert_eq!(two.pick(b"127.0.0.1", |_| true), Some(0));
        let three = ring(&[
            ("127.0.0.1:1980", 1),
            ("127.0.0.1:1981", 1),
            ("127.0.0.1:1982", 1),
        ]);
        assert_eq!(three.pick(b"127.0.0.1", |_| true), Some(2));
        let queries = (1..=18).map(|number| format!("var=2&var2={number}"));
        assert_eq!(shares(&three, 3, queries), [5, 8, 5]);
        let devices = (1..=18).map(|number: u32| number.to_string());
        assert_eq!(shares(&three, 3, devices), [6, 7, 5]);
    }
}
