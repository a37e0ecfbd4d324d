//! Taking turns by weight: exact shares in every cycle, spread out over it, without a lock.
//!
//! A cycle has as many places as the weights add up to. Places are taken in strides of about the
//! golden ratio of a cycle, so that each is taken once before any is taken again, and neighbours
//! in time are far apart.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A choice by weight.
#[derive(Debug)]
pub(crate) struct Turns {
    /// Where the places of each choice end.
    ends: Box<[u64]>,
    total: u64,
    stride: u64,
    /// Turns taken so far; shared by all workers, and kept over changes elsewhere.
    taken: Arc<AtomicU64>,
}

impl Turns {
    /// Turns by these weights.
    ///
    /// # Errors
    /// The weights add up to more than can be counted.
    pub(crate) fn new(
        weights: impl Iterator<Item = u64> + Clone,
        taken: Arc<AtomicU64>,
    ) -> Result<Self, String> {
        let common = weights.clone().fold(0, greatest_common_divisor).max(1);
        let mut total = 0_u128;
        let mut ends = Vec::new();
        for weight in weights {
            total += u128::from(weight / common);
            ends.push(u64::try_from(total).unwrap_or(u64::MAX));
        }
        let most = u128::from(u32::MAX);
        if total > most {
            return Err(format!(
                "weights must add up to at most {most} after division by what they have in common, got {total}"
            ));
        }
        let total = total as u64;
        Ok(Self {
            ends: ends.into_boxed_slice(),
            total,
            stride: stride(total),
            taken,
        })
    }

    /// The position of the next choice; `None` when all weights are 0.
    pub(crate) fn next(&self) -> Option<usize> {
        let turn = self.taken.fetch_add(1, Ordering::Relaxed);
        // Below 2^32 each, so that the product fits.
        let place = turn.checked_rem(self.total)?.wrapping_mul(self.stride) % self.total;
        Some(self.ends.partition_point(|end| *end <= place))
    }
}

/// The stride of a cycle: near its golden section, and without a divisor in common with it.
fn stride(total: u64) -> u64 {
    let golden = (total as f64 * 0.618_033_988_749_895) as u64;
    (golden..=total)
        .find(|stride| greatest_common_divisor(*stride, total) == 1)
        .unwrap_or(1)
}

fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn turns(weights: &[u64]) -> Turns {
        Turns::new(weights.iter().copied(), Arc::default()).unwrap()
    }

    #[test]
    fn turns_are_spread_out() {
        let turns = turns(&[30, 70]);
        let order: String = (0..10)
            .map(|_| if turns.next() == Some(0) { 'a' } else { 'b' })
            .collect();
        assert_eq!(order.matches('a').count(), 3);
        assert!(!order.contains("aa"), "{order}");
    }

    #[test]
    fn without_weight_there_is_no_choice() {
        assert_eq!(turns(&[0, 0]).next(), None);
        assert_eq!(turns(&[]).next(), None);
        assert_eq!(turns(&[0, 3]).next(), Some(1));
    }

    #[test]
    fn what_cannot_be_counted_is_refused() {
        let weights = [u64::from(u32::MAX), 2];
        let text = Turns::new(weights.into_iter(), Arc::default()).unwrap_err();
        assert!(text.ends_with("got 4294967297"), "{text}");
        assert!(Turns::new([u64::MAX, u64::MAX].into_iter(), Arc::default()).is_ok());
    }

    proptest! {
        /// Every cycle, wherever it begins, holds exact shares.
        #[test]
        fn shares_are_exact(
            weights in prop::collection::vec(0_u64..40, 1..20),
            begin in any::<u64>(),
        ) {
            let begin = begin / 2;
            let turns = Turns::new(weights.iter().copied(), Arc::new(AtomicU64::new(begin))).unwrap();
            let mut seen = vec![0_u64; weights.len()];
            for _ in 0..turns.total {
                seen[turns.next().unwrap()] += 1;
            }
            let common = weights.iter().copied().fold(0, greatest_common_divisor).max(1);
            let expected: Vec<_> = weights.iter().map(|weight| weight / common).collect();
            prop_assert_eq!(seen, expected);
        }
    }
}
