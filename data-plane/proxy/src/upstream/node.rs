//! A node with what is measured about it.

use std::cell::Cell;
use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Map;
use weir_model::upstream::Node;
use weir_plugin_api::Host;

use super::balancer::{Balancer, Chosen};
use super::health::rules::Finding;
use super::health::target::{Moment, Side, Target};
use crate::error::{Blame, Reason};

/// Time after which about two thirds of an old latency are forgotten: APISIX's decay of 10 s.
const DECAY_MS: f64 = 10_000.0;
/// What a failed try counts as at least: a node that refuses at once is not a fast one.
const FAILED_MS: f64 = 1_000.0;

/// What is known of a node; outlives a runtime.
#[derive(Debug, Default)]
pub struct NodeState {
    in_flight: AtomicU32,
    /// Bits of an `f64`: decayed latency in milliseconds.
    latency: AtomicU64,
    updated_ms: AtomicU64,
    /// When the node appeared, on the monotonic clock.
    created_ms: u64,
    /// Its health under the newest configuration.
    health: Mutex<Option<Arc<Target>>>,
}

/// One node of an upstream.
#[derive(Debug, Clone)]
pub struct NodeRuntime {
    /// IP address (without brackets) or host name.
    pub host: Arc<str>,
    /// The address: the host, or the one that the node has of its name.
    pub ip: Option<IpAddr>,
    /// Where it is, as `address:port`; `name:port` while the name has no address.
    pub place: Arc<str>,
    /// Port, the scheme's own when the configuration gives none.
    pub port: u16,
    /// Whether the configuration gives one.
    pub(super) port_is_given: bool,
    /// Share of the traffic.
    pub weight: u32,
    /// Larger first.
    pub priority: i32,
    /// `Host` for `pass_host: node`: with the port unless it is the scheme's own.
    pub authority: Arc<str>,
    /// Measurements, shared by all workers; `None` where no choice depends on them.
    pub state: Option<Arc<NodeState>>,
    /// Its health; `None` when it is not checked.
    pub health: Option<Arc<Target>>,
}

impl NodeRuntime {
    /// A key for what is kept of it under `about`. Its name belongs to it: two names of one address
    /// are two nodes.
    #[must_use]
    pub(super) fn label(&self, about: &str) -> String {
        format!("{about}\u{0}{}\u{0}{}", self.host, self.place)
    }

    /// As the configuration has it, unless that says more.
    #[must_use]
    pub(super) fn written(&self) -> Node {
        Node {
            host: self.host.to_string(),
            address: None,
            port: self.port_is_given.then_some(self.port),
            weight: self.weight,
            priority: self.priority,
            metadata: Map::new(),
        }
    }

    /// Requests under way.
    #[must_use]
    pub fn in_flight(&self) -> f64 {
        let state = self.state.as_ref();
        state.map_or(0.0, |state| {
            f64::from(state.in_flight.load(Ordering::Relaxed))
        })
    }

    /// Decayed latency in milliseconds; 0 when nothing is known.
    #[must_use]
    pub fn latency_ms(&self, now_ms: u64) -> f64 {
        self.state.as_ref().map_or(0.0, |state| {
            let latency = f64::from_bits(state.latency.load(Ordering::Relaxed));
            latency * state.weight(now_ms)
        })
    }

    /// Since when it is in use, on the monotonic clock.
    #[must_use]
    pub fn in_use_since_ms(&self) -> u64 {
        let recovered = self
            .health
            .as_ref()
            .map_or(0, |target| target.recovered_ms());
        let state = self.state.as_ref();
        state.map_or(0, |state| state.created_ms).max(recovered)
    }
}

impl NodeState {
    /// The state of a node that appears now.
    #[must_use]
    pub fn new(now_ms: u64) -> Self {
        Self {
            created_ms: now_ms,
            ..Self::default()
        }
    }

    /// Its health under the newest configuration.
    pub(super) fn health(&self) -> MutexGuard<'_, Option<Arc<Target>>> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A try took `latency_ms`. Two workers at the same instant may lose one measurement: that is
    /// within what an average forgets.
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

/// One try under way. It counts until it is dropped; how it went is told by [`InFlight::answered`]
/// or [`InFlight::failed`]. A try that is merely dropped, since the client is gone, says nothing.
pub struct InFlight {
    state: Option<Arc<NodeState>>,
    balancer: Option<Arc<Balancer>>,
    chosen: Chosen,
    checked: Option<Arc<Target>>,
    /// Whether this try decides about an ejected target.
    trial: Cell<bool>,
    clock: Arc<dyn Host>,
    started: Duration,
}

impl InFlight {
    /// Counts a try from now on. `trial` says that `checked` is ejected and tried out.
    #[must_use]
    pub(super) fn begin(
        state: Option<Arc<NodeState>>,
        balancer: Option<Arc<Balancer>>,
        chosen: Chosen,
        checked: Option<Arc<Target>>,
        trial: bool,
        clock: Arc<dyn Host>,
    ) -> Self {
        if let Some(state) = &state {
            state.in_flight.fetch_add(1, Ordering::Relaxed);
        }
        Self {
            // Only what is measured needs to know.
            started: match &state {
                Some(_) => clock.monotonic(),
                None => Duration::ZERO,
            },
            balancer,
            chosen,
            checked,
            trial: Cell::new(trial),
            state,
            clock,
        }
    }

    /// The node gave an answer with this status.
    pub fn answered(&self, status: u16) {
        self.measure(0.0);
        self.tell(true, &Finding::Status(status));
    }

    /// The node gave none.
    pub fn failed(&self, reason: Reason) {
        if reason.blame() != Blame::Upstream || reason.is_of_limits() {
            return;
        }
        self.measure(FAILED_MS);
        let finding = match reason {
            Reason::TimeoutConnect
            | Reason::TimeoutSend
            | Reason::TimeoutRead
            | Reason::TimeoutTry => Finding::TimedOut(reason.as_str()),
            Reason::BadResponse => Finding::Malformed(reason.as_str().to_owned()),
            _ => Finding::Broken(reason.as_str().to_owned()),
        };
        self.tell(false, &finding);
    }

    fn measure(&self, at_least_ms: f64) {
        let Some(state) = &self.state else {
            return;
        };
        let now = self.clock.monotonic();
        let latency = now.saturating_sub(self.started).as_secs_f64() * 1000.0;
        state.measured(latency.max(at_least_ms), milliseconds(now));
    }

    fn tell(&self, answered: bool, finding: &Finding) {
        if let Some(balancer) = self
            .balancer
            .as_ref()
            .filter(|_| self.chosen.session.is_some())
        {
            let now = milliseconds(self.clock.monotonic());
            balancer.report(self.chosen, answered, now);
        }
        let Some(target) = &self.checked else {
            return;
        };
        let now = Moment::of_host(&*self.clock);
        if self.trial.replace(false) {
            target.report_trial(finding, now);
        } else {
            target.report(Side::Passive, finding, now);
        }
    }
}

/// Whole milliseconds of a clock.
pub(crate) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(state) = &self.state {
            state.in_flight.fetch_sub(1, Ordering::Relaxed);
        }
        if self.trial.get()
            && let Some(target) = &self.checked
        {
            target.end_trial();
        }
    }
}

impl fmt::Debug for InFlight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InFlight")
            .field("started", &self.started)
            .finish_non_exhaustive()
    }
}
