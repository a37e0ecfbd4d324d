//! The controller on a simulated worker: one queue, worked on in order, where a request that is let
//! in costs much and one that is refused little.

use std::collections::VecDeque;

use rand::rngs::SmallRng;
use rand::{RngCore, SeedableRng};

use super::*;

/// Microseconds that a request costs that is let in: 5,000 a second at most.
const COST: u64 = 200;
/// Microseconds that a refusal costs.
const REFUSAL: u64 = 4;
const CAPACITY: f64 = 1e6 / COST as f64;
const HEARTBEAT: u64 = BEAT.as_micros() as u64;

struct Simulation {
    random: SmallRng,
    start: Instant,
    pace: Pace,
    /// Arrival times of what waits, and whether it is a heartbeat.
    queue: VecDeque<(u64, bool)>,
    now: u64,
    next_arrival: f64,
    next_beat: u64,
}

#[derive(Debug, Default)]
struct Outcome {
    served: u64,
    refused: u64,
    /// Waiting times of those that were served, in microseconds.
    waits: Vec<u64>,
}

impl Outcome {
    fn p99(&mut self) -> u64 {
        self.waits.sort_unstable();
        self.waits
            .get(self.waits.len() * 99 / 100)
            .copied()
            .unwrap_or(0)
    }
}

impl Simulation {
    fn new() -> Self {
        let start = Instant::now();
        Self {
            random: SmallRng::seed_from_u64(7),
            start,
            pace: Pace::new(start),
            queue: VecDeque::new(),
            now: 0,
            next_arrival: 0.0,
            next_beat: HEARTBEAT,
        }
    }

    /// Runs for a while, with so many requests a second.
    fn run(&mut self, seconds: f64, rate: f64) -> Outcome {
        let end = self.now + (seconds * 1e6) as u64;
        let mut outcome = Outcome::default();
        self.next_arrival = self.next_arrival.max(self.now as f64);
        while self.now < end {
            while self.next_arrival <= self.now as f64 {
                self.queue.push_back((self.next_arrival as u64, false));
                // Exponential gaps: requests come independently of each other.
                let uniform = (self.random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
                self.next_arrival += -(1.0 - uniform).ln() * 1e6 / rate;
            }
            if self.next_beat <= self.now {
                self.queue.push_back((self.next_beat, true));
                self.next_beat = u64::MAX;
            }
            let Some((came, beat)) = self.queue.pop_front() else {
                self.now = (self.next_arrival as u64 + 1).min(self.next_beat);
                continue;
            };
            let now = self.start + Duration::from_micros(self.now);
            if beat {
                let lag = Duration::from_micros(self.now - came);
                self.pace = self.pace.after_beat(now, lag);
                self.next_beat = self.now + HEARTBEAT;
                continue;
            }
            self.pace = self.pace.at_request(now);
            let share = self.pace.share();
            if share.admits(u64::MAX, self.random.next_u64()) {
                outcome.served += 1;
                outcome.waits.push(self.now - came);
                self.now += COST;
            } else {
                outcome.refused += 1;
                self.now += REFUSAL;
            }
        }
        outcome
    }
}

#[test]
fn nothing_is_refused_below_capacity() {
    let mut simulation = Simulation::new();
    let outcome = simulation.run(60.0, CAPACITY * 0.9);
    assert_eq!(outcome.refused, 0);
    assert!(outcome.served > 250_000, "{}", outcome.served);
}

#[test]
fn five_times_the_capacity_costs_a_tenth_at_most_and_ends_soon() {
    let mut simulation = Simulation::new();
    simulation.run(5.0, CAPACITY * 0.8);
    let onset = simulation.run(2.0, CAPACITY * 5.0);
    assert!(onset.refused > 0);
    let mut overload = simulation.run(60.0, CAPACITY * 5.0);
    let goodput = overload.served as f64 / 60.0;
    assert!(goodput >= CAPACITY * 0.9, "{goodput} of {CAPACITY}");
    // Whoever is let in waits little more than what counts as late.
    let wait = overload.p99();
    assert!(wait < 300_000, "p99 waits {wait} µs");
    let after = simulation.run(1.0, CAPACITY * 0.8);
    assert!(after.served > 0);
    let recovered = simulation.run(10.0, CAPACITY * 0.8);
    assert_eq!(recovered.refused, 0, "a second later");
    assert!(simulation.pace.share().get() >= 1.0);
}

#[test]
fn a_burst_is_no_overload() {
    let share = Share::default();
    let late = Duration::from_secs(2);
    let nearly = (1..PATIENCE).fold(share, |share, _| share.after(late));
    assert!(nearly.get() >= 1.0);
    assert!(nearly.after(late).get() < 1.0);
    let broken = nearly.after(Duration::ZERO).after(late);
    assert!(broken.get() >= 1.0);
}

#[test]
fn few_requests_are_always_let_in() {
    let mut share = Share::default();
    for _ in 0..100 {
        share = share.after(Duration::from_secs(1));
    }
    assert!(share.get() > 0.0 && share.get() < 0.05);
    assert!(share.admits(ALWAYS - 1, u64::MAX));
    assert!(!share.admits(ALWAYS, u64::MAX));
    assert!(share.admits(ALWAYS, 0));
}
