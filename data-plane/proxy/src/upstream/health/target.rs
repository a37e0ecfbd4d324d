//! One address that is checked: its state, shared by every upstream that checks it in the same way.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::ejection::Ejections;
use super::hub::Hub;
pub use super::moment::Moment;
use super::probe::Probe;
use super::rules::{Finding, Judge, Rules};
use super::state::{Signal, State};

/// Longest text that is kept of an error.
const MAX_TEXT: usize = 300;

/// Where reports come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Probes.
    Active,
    /// Real requests.
    Passive,
}

/// The address and how it is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Address of the node.
    pub ip: IpAddr,
    /// Port of the node, which is not always the one that is probed.
    pub port: u16,
    /// Name that it was found under; the address itself otherwise.
    pub hostname: Arc<str>,
    /// `Host` of the probes.
    pub host_header: Option<Arc<str>>,
}

/// What is told of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The address and its names.
    pub place: Place,
    /// Where it stands, with the counters.
    pub state: State,
    /// Since when it is in or out of use, at first since when it is checked, in milliseconds since
    /// the epoch.
    pub since_ms: u64,
    /// Why it came into or went out of use; empty from the start.
    pub reason: String,
    /// The last failure; empty when there was none.
    pub last_error: String,
    /// When that was, in milliseconds since the epoch.
    pub last_error_ms: u64,
    /// Until when it is ejected, in milliseconds since the epoch; `None` when it is not.
    pub ejected_until_ms: Option<u64>,
}

#[derive(Debug, Clone, Default)]
struct Notes {
    since_ms: u64,
    reason: String,
    last_error: String,
    last_error_ms: u64,
    /// The end of the last ejection, in milliseconds since the epoch.
    ejected_until_ms: u64,
    ejections: Ejections,
    /// Who uses it, for the log.
    users: Arc<str>,
}

/// One address under one set of rules.
pub struct Target {
    /// The address and its names.
    pub place: Place,
    pub(super) rules: Arc<Rules>,
    pub(super) probe: Option<Probe>,
    pub(super) hub: Arc<Hub>,
    pub(super) flip: Notify,
    state: AtomicU64,
    /// When it last came into use again, on the monotonic clock; 0 for never.
    recovered_ms: AtomicU64,
    /// Until when it is ejected; 0 when it is not.
    ejected_until_ms: AtomicU64,
    /// Whether a request is trying it out.
    on_trial: AtomicBool,
    notes: Mutex<Notes>,
}

impl Target {
    /// A target that begins healthy, or where `before` (the same address under earlier rules)
    /// stands.
    pub(super) fn new(
        place: Place,
        rules: Arc<Rules>,
        probe: Option<Probe>,
        hub: Arc<Hub>,
        before: Option<&Target>,
    ) -> Self {
        let target = Self {
            place,
            rules,
            probe,
            hub,
            flip: Notify::new(),
            state: AtomicU64::new(State::default().pack()),
            recovered_ms: AtomicU64::new(0),
            ejected_until_ms: AtomicU64::new(0),
            on_trial: AtomicBool::new(false),
            notes: Mutex::default(),
        };
        if let Some(before) = before {
            let copy = |from: &AtomicU64, to: &AtomicU64| {
                to.store(from.load(Ordering::Acquire), Ordering::Release);
            };
            copy(&before.state, &target.state);
            copy(&before.recovered_ms, &target.recovered_ms);
            if target.rules.ejects() {
                copy(&before.ejected_until_ms, &target.ejected_until_ms);
            }
            *target.notes() = before.notes().clone();
        }
        if target.rules.ejects() && !target.is_usable() && target.ejected_until_ms().is_none() {
            // Out by probes that are no more: the next request tries it.
            target.ejected_until_ms.store(1, Ordering::Release);
        }
        target
    }

    /// Where it stands. One atomic load.
    #[must_use]
    pub fn state(&self) -> State {
        State::unpack(self.state.load(Ordering::Acquire))
    }

    /// Whether it gets traffic.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.state().status.is_usable()
    }

    /// When it last came into use again; 0 for never.
    #[must_use]
    pub fn recovered_ms(&self) -> u64 {
        self.recovered_ms.load(Ordering::Acquire)
    }

    /// Until when it is ejected, if it is.
    #[must_use]
    pub fn ejected_until_ms(&self) -> Option<u64> {
        let until = self.ejected_until_ms.load(Ordering::Acquire);
        (until > 0).then_some(until)
    }

    /// The address that is probed; `None` when it is not.
    #[must_use]
    pub fn probed_address(&self) -> Option<SocketAddr> {
        let probe = self.probe.as_ref()?;
        Some(SocketAddr::new(self.place.ip, probe.port(self.place.port)))
    }

    /// Lets one request try an ejected target out whose time is over. `true` for one caller; it
    /// must end with [`Target::report_trial`] or [`Target::end_trial`].
    #[must_use]
    pub fn begin_trial(&self, now_ms: u64) -> bool {
        let order = Ordering::AcqRel;
        self.is_due(now_ms)
            && self
                .on_trial
                .compare_exchange(false, true, order, Ordering::Acquire)
                .is_ok()
    }

    /// Whether [`Target::begin_trial`] would let a request.
    #[must_use]
    pub fn trial_is_free(&self, now_ms: u64) -> bool {
        self.is_due(now_ms) && !self.on_trial.load(Ordering::Acquire)
    }

    fn is_due(&self, now_ms: u64) -> bool {
        self.ejected_until_ms().is_some_and(|until| until <= now_ms)
    }

    /// Ends a trial that told nothing: the next request may try.
    pub fn end_trial(&self) {
        self.on_trial.store(false, Ordering::Release);
    }

    /// Takes a finding. What changes nothing costs one atomic load.
    pub fn report(&self, side: Side, finding: &Finding, now: Moment) {
        let Some(judge) = self.judge(side) else {
            return;
        };
        let signal = judge.signal(finding);
        if side == Side::Active {
            self.hub.probed(signal);
        }
        let Some(signal) = signal else {
            return;
        };
        let good = signal == Signal::Success;
        let before = self.state();
        if self.rules.ejects() && !before.status.is_usable() {
            // What was under way before says nothing new: its trial will.
            return;
        }
        if good && before.after(signal, judge.limits()) == before {
            return;
        }
        let mut notes = self.notes();
        if !good {
            notes.failed(finding, now);
        }
        // Again, since only the holder of the lock writes it.
        let before = self.state();
        let after = before.after(signal, judge.limits());
        if after == before {
            return;
        }
        self.state.store(after.pack(), Ordering::Release);
        if after.status.is_usable() == before.status.is_usable() {
            self.hub.changed();
            return;
        }
        let count = match signal {
            Signal::Success => after.counters.success,
            Signal::HttpFailure => after.counters.http_failure,
            Signal::TcpFailure => after.counters.tcp_failure,
            Signal::Timeout => after.counters.timeout,
        };
        let by = match side {
            Side::Active => "probes",
            Side::Passive => "requests",
        };
        let reason = format!("{count} {} in {by}, last: {finding}", plural(signal));
        self.flip_to(&mut notes, after.status.is_usable(), reason, now);
    }

    fn judge(&self, side: Side) -> Option<&Judge> {
        match side {
            Side::Active => self.rules.active.as_ref().map(|active| &active.judge),
            Side::Passive => self.rules.passive.as_ref(),
        }
    }

    /// Ends a trial: any answer that is not a bad one lets the target in.
    pub fn report_trial(&self, finding: &Finding, now: Moment) {
        let signal = self
            .judge(Side::Passive)
            .and_then(|judge| judge.signal(finding));
        let mut notes = self.notes();
        if matches!(signal, None | Some(Signal::Success)) {
            self.state.store(State::default().pack(), Ordering::Release);
            let reason = format!("a trial request succeeded: {finding}");
            self.flip_to(&mut notes, true, reason, now);
        } else {
            notes.failed(finding, now);
            self.eject(&mut notes, now);
            notes.reason = short(&format!("a trial request failed: {finding}"));
            self.hub.moved();
        }
        self.end_trial();
    }

    fn flip_to(&self, notes: &mut Notes, usable: bool, reason: String, now: Moment) {
        if usable {
            self.recovered_ms
                .store(now.monotonic_ms.max(1), Ordering::Release);
            self.ejected_until_ms.store(0, Ordering::Release);
            notes.ejections.let_in(now.monotonic_ms);
        } else if self.rules.ejects() {
            self.eject(notes, now);
        }
        notes.since_ms = now.unix_ms;
        notes.reason = short(&reason);
        let (node, upstreams, reason) = (self, &*notes.users, &notes.reason);
        if usable {
            tracing::info!(%node, upstreams, reason, "node is healthy again");
        } else {
            tracing::warn!(%node, upstreams, reason, "node is unhealthy");
        }
        self.hub.flipped(usable);
        self.flip.notify_one();
    }

    fn eject(&self, notes: &mut Notes, now: Moment) {
        let until = notes.ejections.eject(now.monotonic_ms, now.random);
        notes.ejected_until_ms = now.unix_ms + until.saturating_sub(now.monotonic_ms);
        self.ejected_until_ms.store(until, Ordering::Release);
    }

    /// What is told of it.
    #[must_use]
    pub fn shown(&self) -> Shown {
        let notes = self.notes();
        Shown {
            place: self.place.clone(),
            state: self.state(),
            since_ms: notes.since_ms,
            reason: notes.reason.clone(),
            last_error: notes.last_error.clone(),
            last_error_ms: notes.last_error_ms,
            ejected_until_ms: self.ejected_until_ms().map(|_| notes.ejected_until_ms),
        }
    }

    /// Notes who uses it, for the log, and since when if nobody did before.
    pub(super) fn used_by(&self, users: Arc<str>, unix_ms: u64) {
        let mut notes = self.notes();
        notes.users = users;
        if notes.since_ms == 0 {
            notes.since_ms = unix_ms;
        }
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Notes {
    fn failed(&mut self, finding: &Finding, now: Moment) {
        self.last_error = short(&finding.to_string());
        self.last_error_ms = now.unix_ms;
    }
}

/// A node may have much to say, such as all the names in its certificate.
fn short(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}

fn plural(signal: Signal) -> &'static str {
    match signal {
        Signal::Success => "successes",
        Signal::HttpFailure => "http failures",
        Signal::TcpFailure => "tcp failures",
        Signal::Timeout => "timeouts",
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = SocketAddr::new(self.place.ip, self.place.port);
        if self.place.hostname.parse::<IpAddr>().is_ok() {
            write!(f, "{address}")
        } else {
            write!(f, "{address} ({})", self.place.hostname)
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("place", &self.place)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
