//! The circuit itself: closed, open, half open.

#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::table::KeyState;

/// Parts of the window; the oldest is dropped as a whole.
const PARTS: usize = 10;

/// An open circuit that nobody asks for is forgotten after this.
const FORGOTTEN: Duration = Duration::from_secs(24 * 3600);

/// When a circuit opens, and how it closes.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub(super) window: Duration,
    pub(super) minimum: u64,
    /// In percent.
    pub(super) error_rate: Option<f64>,
    pub(super) consecutive: Option<u64>,
    /// In percent.
    pub(super) slow_rate: Option<f64>,
    pub(super) open: Duration,
    pub(super) probes: u64,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) failed: bool,
    pub(super) slow: bool,
}

/// That a request was let through, and in which life of the circuit: what it tells later counts
/// only in that one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pass(u64);

/// What a circuit went over to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Opened,
    Closed,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Closed,
    Open {
        until: Duration,
    },
    HalfOpen {
        under_way: u64,
        succeeded: u64,
        since: Duration,
    },
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Part {
    all: u64,
    failed: u64,
    slow: u64,
}

/// One circuit.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Circuit {
    state: State,
    life: u64,
    parts: [Part; PARTS],
    /// Number of the newest part since the clock began.
    newest: u64,
    in_a_row: u64,
    quiet_from: Duration,
}

impl KeyState for Circuit {
    fn idle_from(&self) -> Duration {
        match self.state {
            State::Closed => self.quiet_from,
            State::Open { until: from } | State::HalfOpen { since: from, .. } => {
                from.saturating_add(FORGOTTEN)
            }
        }
    }
}

impl Circuit {
    /// Lets a request through, or not.
    pub(super) fn admit(&mut self, now: Duration, rules: &Rules) -> Option<Pass> {
        if let State::Open { until } = self.state
            && now >= until
        {
            self.go(State::HalfOpen {
                under_way: 0,
                succeeded: 0,
                since: now,
            });
        }
        match &mut self.state {
            State::Closed => Some(Pass(self.life)),
            State::Open { .. } => None,
            State::HalfOpen {
                under_way,
                succeeded,
                ..
            } => {
                let room = *under_way + *succeeded < rules.probes;
                *under_way += u64::from(room);
                room.then_some(Pass(self.life))
            }
        }
    }

    /// Takes in what became of a request that was let through.
    pub(super) fn told(
        &mut self,
        pass: Pass,
        outcome: Outcome,
        now: Duration,
        rules: &Rules,
    ) -> Option<Change> {
        if pass.0 != self.life {
            return None;
        }
        match self.state {
            State::Closed => {
                self.count(outcome, now, rules);
                self.must_open(rules).then(|| self.open(now, rules))
            }
            State::Open { .. } => None,
            State::HalfOpen { .. } if outcome.failed => Some(self.open(now, rules)),
            State::HalfOpen { .. } if outcome.slow && rules.slow_rate.is_some() => {
                Some(self.open(now, rules))
            }
            State::HalfOpen {
                under_way,
                succeeded,
                since,
            } => {
                let succeeded = succeeded + 1;
                if succeeded < rules.probes {
                    self.state = State::HalfOpen {
                        under_way: under_way.saturating_sub(1),
                        succeeded,
                        since,
                    };
                    return None;
                }
                self.go(State::Closed);
                Some(Change::Closed)
            }
        }
    }

    /// A request that was let through ended without anything being known of its node.
    pub(super) fn abandoned(&mut self, pass: Pass) {
        if pass.0 == self.life
            && let State::HalfOpen { under_way, .. } = &mut self.state
        {
            *under_way = under_way.saturating_sub(1);
        }
    }

    fn open(&mut self, now: Duration, rules: &Rules) -> Change {
        self.go(State::Open {
            until: now.saturating_add(rules.open),
        });
        Change::Opened
    }

    fn go(&mut self, state: State) {
        *self = Self {
            state,
            life: self.life.wrapping_add(1),
            newest: self.newest,
            ..Self::default()
        };
    }

    fn count(&mut self, outcome: Outcome, now: Duration, rules: &Rules) {
        let length = (rules.window.as_nanos() / PARTS as u128).max(1);
        let number = u64::try_from(now.as_nanos() / length).unwrap_or(u64::MAX);
        let passed = number.saturating_sub(self.newest);
        for skipped in 0..passed.min(PARTS as u64) {
            if let Some(part) = self.part(number - skipped) {
                *part = Part::default();
            }
        }
        self.newest = self.newest.max(number);
        if let Some(part) = self.part(self.newest) {
            part.all += 1;
            part.failed += u64::from(outcome.failed);
            part.slow += u64::from(outcome.slow);
        }
        self.in_a_row = if outcome.failed { self.in_a_row + 1 } else { 0 };
        self.quiet_from = now.saturating_add(rules.window);
    }

    fn part(&mut self, number: u64) -> Option<&mut Part> {
        self.parts.get_mut((number % PARTS as u64) as usize)
    }

    fn must_open(&self, rules: &Rules) -> bool {
        let total = |of: fn(&Part) -> u64| self.parts.iter().map(of).sum::<u64>();
        let all = total(|part| part.all);
        let reached = |rate: Option<f64>, some: u64| {
            rate.is_some_and(|rate| some as f64 * 100.0 >= rate * all as f64)
        };
        rules.consecutive.is_some_and(|most| self.in_a_row >= most)
            || all >= rules.minimum
                && (reached(rules.error_rate, total(|part| part.failed))
                    || reached(rules.slow_rate, total(|part| part.slow)))
    }
}
