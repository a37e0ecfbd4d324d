//! One gate per address: bounds the calls under way, and stops calling for a moment what keeps
//! failing, so that a dead collector or authorisation server does not collect requests that wait.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use weir_plugin_api::outside::CallError;

/// Calls to one address that may be under way at once.
const MAX_CALLS: u32 = 1024;
/// Failures in a row after which the gate closes.
const FAILURES: u32 = 8;
/// How long it stays closed before a call may try again.
const CLOSED: Duration = Duration::from_millis(500);
/// Addresses remembered; beyond, those without calls under way are forgotten.
const MAX_ADDRESSES: usize = 4096;

/// The gates of all addresses.
pub(crate) struct Gates {
    start: Instant,
    gates: Mutex<HashMap<String, Arc<Gate>>>,
}

impl Default for Gates {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            gates: Mutex::default(),
        }
    }
}

#[derive(Default)]
struct Gate {
    under_way: AtomicU32,
    failures: AtomicU32,
    /// Milliseconds since the start at which a call may try again; 0 while open.
    closed_until: AtomicU64,
}

/// A call that was let through.
pub(crate) struct Pass {
    gate: Arc<Gate>,
    start: Instant,
}

impl Gates {
    /// Lets a call to `address` through.
    ///
    /// # Errors
    /// There are too many already, or the last ones all failed a moment ago.
    pub(crate) fn enter(&self, address: &str) -> Result<Pass, CallError> {
        let gate = self.gate(address);
        let now = milliseconds(self.start.elapsed());
        let until = gate.closed_until.load(Ordering::Relaxed);
        if until > now {
            return Err(CallError::Connect {
                address: address.to_owned(),
                cause: "the last calls failed; it is tried again in a moment".to_owned(),
            });
        }
        if until > 0 {
            // Half open: this call tries, the others wait for what it finds.
            let next = now + milliseconds(CLOSED);
            let mine = gate.closed_until.compare_exchange(
                until,
                next,
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
            if mine.is_err() {
                return Err(CallError::Busy {
                    address: address.to_owned(),
                });
            }
        }
        if gate.under_way.fetch_add(1, Ordering::Relaxed) >= MAX_CALLS {
            gate.under_way.fetch_sub(1, Ordering::Relaxed);
            return Err(CallError::Busy {
                address: address.to_owned(),
            });
        }
        Ok(Pass {
            gate,
            start: self.start,
        })
    }

    fn gate(&self, address: &str) -> Arc<Gate> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gate) = gates.get(address) {
            return Arc::clone(gate);
        }
        if gates.len() >= MAX_ADDRESSES {
            gates.retain(|_, gate| gate.under_way.load(Ordering::Relaxed) > 0);
        }
        let gate = Arc::<Gate>::default();
        gates.insert(address.to_owned(), Arc::clone(&gate));
        gate
    }
}

impl Pass {
    /// Notes how the call ended.
    pub(crate) fn leave<T>(self, outcome: &Result<T, CallError>) {
        match outcome {
            // It answered, whatever it said.
            Ok(_) | Err(CallError::Refused { .. } | CallError::TooLarge { .. }) => {
                self.gate.failures.store(0, Ordering::Relaxed);
                self.gate.closed_until.store(0, Ordering::Relaxed);
            }
            Err(CallError::Connect { .. } | CallError::Timeout { .. }) => {
                let failures = self.gate.failures.fetch_add(1, Ordering::Relaxed) + 1;
                if failures >= FAILURES {
                    let until = self.start.elapsed() + CLOSED;
                    let until = milliseconds(until).max(1);
                    self.gate.closed_until.store(until, Ordering::Relaxed);
                }
            }
            Err(_) => {}
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.gate.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(gates: &Gates) {
        let outcome: Result<(), _> = Err(CallError::Timeout {
            address: "a:1".into(),
            limit_ms: 1,
        });
        gates.enter("a:1").unwrap().leave(&outcome);
    }

    #[test]
    fn a_server_that_keeps_failing_is_left_alone_for_a_moment() {
        let gates = Gates::default();
        for _ in 0..FAILURES {
            fail(&gates);
        }
        assert!(matches!(gates.enter("a:1"), Err(CallError::Connect { .. })));
        assert!(gates.enter("b:1").is_ok());
    }

    #[test]
    fn an_answer_forgives_the_failures_before_it() {
        let gates = Gates::default();
        for _ in 0..FAILURES - 1 {
            fail(&gates);
        }
        gates.enter("a:1").unwrap().leave(&Ok(()));
        fail(&gates);
        assert!(gates.enter("a:1").is_ok());
    }

    #[test]
    fn calls_under_way_are_bounded_and_end_with_their_pass() {
        let gates = Gates::default();
        let passes: Vec<_> = (0..MAX_CALLS)
            .map(|_| gates.enter("a:1").unwrap())
            .collect();
        assert!(matches!(gates.enter("a:1"), Err(CallError::Busy { .. })));
        drop(passes);
        assert!(gates.enter("a:1").is_ok());
    }
}
