//! Smooth weighted round robin (as nginx interleaves): a node of weight 5 against 1 gets five of
//! six requests, spread over the turn.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Longest turn that is laid out in advance; beyond it the turn is computed as it goes.
const MAX_TURN: u64 = 8192;

/// State of one group of nodes, shared by all workers.
#[derive(Debug)]
pub(super) enum RoundRobin {
    /// One full turn, laid out: lock-free.
    Turn { order: Vec<u32>, next: AtomicUsize },
    /// Weights whose turn is too long to lay out.
    Running(Mutex<Smooth>),
}

/// The algorithm itself.
#[derive(Debug)]
pub(super) struct Smooth {
    weights: Vec<i64>,
    current: Vec<i64>,
    total: i64,
}

impl Smooth {
    pub(super) fn new(weights: &[u32]) -> Self {
        let weights: Vec<i64> = weights.iter().map(|weight| i64::from(*weight)).collect();
        let total = weights.iter().sum();
        Self {
            current: vec![0; weights.len()],
            weights,
            total,
        }
    }

    /// The next slot among those that `may` be taken.
    pub(super) fn next(&mut self, may: impl Fn(usize) -> bool) -> Option<usize> {
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

impl RoundRobin {
    /// Slots are positions in `weights`; none is 0.
    pub(super) fn new(weights: &[u32]) -> Self {
        let divisor = u64::from(gcd_of(weights).max(1));
        let turn = weights.iter().map(|weight| u64::from(*weight)).sum::<u64>() / divisor;
        let mut smooth = Smooth::new(weights);
        if turn > MAX_TURN {
            return RoundRobin::Running(Mutex::new(smooth));
        }
        let order = (0..turn)
            .filter_map(|_| smooth.next(|_| true))
            .filter_map(|slot| u32::try_from(slot).ok())
            .collect();
        RoundRobin::Turn {
            order,
            next: AtomicUsize::new(0),
        }
    }

    /// The next slot that `may` be taken.
    pub(super) fn next(&self, may: impl Fn(usize) -> bool) -> Option<usize> {
        match self {
            RoundRobin::Turn { order, next } => {
                let start = next.fetch_add(1, Ordering::Relaxed);
                (0..order.len())
                    .filter_map(|step| order.get(start.wrapping_add(step) % order.len()))
                    .map(|slot| *slot as usize)
                    .find(|slot| may(*slot))
            }
            RoundRobin::Running(smooth) => smooth
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
