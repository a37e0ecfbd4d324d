//! A node with what is measured about it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use weir_plugin_api::Host;

use super::balancer::{Balancer, Chosen};

/// Time after which half of an old latency is forgotten, about: APISIX's decay of 10 s.
const DECAY_MS: f64 = 10_000.0;

/// What is known of a node; outlives a runtime.
#[derive(Debug, Default)]
pub struct NodeState {
    in_flight: AtomicU32,
    /// Bits of an `f64`: decayed latency in milliseconds.
    latency: AtomicU64,
    updated_ms: AtomicU64,
}

/// One node of an upstream.
#[derive(Debug, Clone)]
pub struct NodeRuntime {
    /// IP address (without brackets) or host name.
    pub host: Arc<str>,
    /// Port, the scheme's own when the configuration gives none.
    pub port: u16,
    /// Share of the traffic.
    pub weight: u32,
    /// Larger first.
    pub priority: i32,
    /// `Host` for `pass_host: node`: with the port unless it is the scheme's own.
    pub authority: Arc<str>,
    /// Measurements, shared by all workers.
    pub state: Arc<NodeState>,
}

impl NodeRuntime {
    /// Requests under way and the next one.
    #[must_use]
    pub fn load(&self) -> f64 {
        f64::from(self.state.in_flight.load(Ordering::Relaxed)) + 1.0
    }

    /// Decayed latency in milliseconds; 0 when nothing is known.
    #[must_use]
    pub fn latency_ms(&self, now_ms: u64) -> f64 {
        let latency = f64::from_bits(self.state.latency.load(Ordering::Relaxed));
        latency * self.state.weight(now_ms)
    }
}

impl NodeState {
    /// A try ended after `latency_ms`. Two workers at the same instant may lose one measurement:
    /// that is within what an average forgets.
    fn measured(&self, latency_ms: f64, now_ms: u64) {
        let weight = self.weight(now_ms);
        let before = f64::from_bits(self.latency.load(Ordering::Relaxed));
        // Peak: a worse latency counts at once, a better one bit by bit.
        let after = if latency_ms > before {
            latency_ms
        } else {
            before * weight + latency_ms * (1.0 - weight)
        };
        self.latency.store(after.to_bits(), Ordering::Relaxed);
        self.updated_ms.store(now_ms, Ordering::Relaxed);
    }

    fn weight(&self, now_ms: u64) -> f64 {
        let elapsed = now_ms.saturating_sub(self.updated_ms.load(Ordering::Relaxed));
        (-(elapsed as f64) / DECAY_MS).exp()
    }
}

/// One try under way. Dropping it ends the try and measures it.
pub struct InFlight {
    state: Arc<NodeState>,
    balancer: Arc<Balancer>,
    chosen: Chosen,
    clock: Arc<dyn Host>,
    started: Duration,
}

impl InFlight {
    /// Counts a try from now on.
    #[must_use]
    pub(super) fn begin(
        state: Arc<NodeState>,
        balancer: Arc<Balancer>,
        chosen: Chosen,
        clock: Arc<dyn Host>,
    ) -> Self {
        state.in_flight.fetch_add(1, Ordering::Relaxed);
        Self {
            started: clock.monotonic(),
            balancer,
            chosen,
            state,
            clock,
        }
    }
}

impl InFlight {
    /// The node gave an answer.
    pub fn answered(&self) {
        self.report(true);
    }

    /// The node gave none. A try that is merely dropped, since the client is gone, counts as
    /// neither.
    pub fn failed(&self) {
        self.report(false);
    }

    fn report(&self, answered: bool) {
        if self.chosen.session.is_some() {
            let now = milliseconds(self.clock.monotonic());
            self.balancer.report(self.chosen, answered, now);
        }
    }
}

/// Whole milliseconds of a clock.
pub(super) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.state.in_flight.fetch_sub(1, Ordering::Relaxed);
        let now = self.clock.monotonic();
        let latency = now.saturating_sub(self.started).as_secs_f64() * 1000.0;
        self.state.measured(latency, milliseconds(now));
    }
}

impl fmt::Debug for InFlight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InFlight")
            .field("started", &self.started)
            .finish_non_exhaustive()
    }
}
