//! The checks of an upstream, compiled: what counts as good or bad, and when nodes are probed.

use std::fmt;
use std::time::Duration;

use tokio::sync::Semaphore;
use weir_model::upstream::{ActiveCheck, Checks, Healthy, PassiveCheck, Unhealthy};

use super::state::{Limits, Signal};

/// A limit that no configuration exceeds, so that deadlines can be added up.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// Probes at once when the configuration says 0 or less.
const CONCURRENCY: usize = 10;

/// What came of a probe, or of a try of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// The connection was made; nothing was asked.
    Connected,
    /// A status.
    Status(u16),
    /// Something that is not an HTTP answer.
    Malformed(String),
    /// No connection, a broken one, or a TLS failure.
    Broken(String),
    /// The time was over, while doing this.
    TimedOut(&'static str),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::Connected => f.write_str("connected"),
            Finding::Status(status) => write!(f, "status {status}"),
            Finding::Malformed(what) | Finding::Broken(what) => f.write_str(what),
            Finding::TimedOut(doing) => write!(f, "time limit reached: {doing}"),
        }
    }
}

/// Which answers count, and how many of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judge {
    healthy: Statuses,
    unhealthy: Statuses,
    limits: Limits,
}

/// A set of statuses below 640.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Statuses([u64; 10]);

impl Statuses {
    fn new(statuses: &[u16]) -> Self {
        let mut bits = [0_u64; 10];
        for status in statuses {
            if let Some(word) = bits.get_mut(usize::from(status / 64)) {
                *word |= 1 << (status % 64);
            }
        }
        Self(bits)
    }

    fn contains(&self, status: u16) -> bool {
        let word = self.0.get(usize::from(status / 64));
        word.is_some_and(|word| word >> (status % 64) & 1 == 1)
    }
}

impl Judge {
    fn new(healthy: &Healthy, unhealthy: &Unhealthy) -> Self {
        Self {
            healthy: Statuses::new(&healthy.http_statuses),
            unhealthy: Statuses::new(&unhealthy.http_statuses),
            limits: Limits {
                successes: healthy.successes,
                http_failures: unhealthy.http_failures,
                tcp_failures: unhealthy.tcp_failures,
                timeouts: unhealthy.timeouts,
            },
        }
    }

    /// What a finding says; `None` for a status in neither list.
    #[must_use]
    pub fn signal(&self, finding: &Finding) -> Option<Signal> {
        match finding {
            Finding::Connected => Some(Signal::Success),
            Finding::Status(status) => self.of_status(*status),
            Finding::Malformed(_) => Some(Signal::HttpFailure),
            Finding::Broken(_) => Some(Signal::TcpFailure),
            Finding::TimedOut(_) => Some(Signal::Timeout),
        }
    }

    fn of_status(&self, status: u16) -> Option<Signal> {
        if self.healthy.contains(status) {
            Some(Signal::Success)
        } else if self.unhealthy.contains(status) {
            Some(Signal::HttpFailure)
        } else {
            None
        }
    }

    /// Reports that flip a state.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }
}

/// When and how nodes are probed.
#[derive(Debug)]
pub struct Active {
    /// Judges the answers to probes.
    pub judge: Judge,
    /// Between two probes of a node in use.
    pub healthy_interval: Duration,
    /// Between two probes of a node that is not in use.
    pub unhealthy_interval: Duration,
    /// From the start of a probe to its status line.
    pub timeout: Duration,
    /// Probes under way at once, over all nodes with these rules.
    pub turns: Semaphore,
}

/// The rules that upstreams with the same checks share.
#[derive(Debug)]
pub struct Rules {
    /// Probes; `None` when only real requests tell.
    pub active: Option<Active>,
    /// Judges the answers to real requests; `None` when they do not count.
    pub passive: Option<Judge>,
}

impl Rules {
    /// Compiles checks.
    #[must_use]
    pub fn new(checks: &Checks) -> Self {
        Self {
            active: checks.active.as_ref().map(Active::new),
            passive: checks.passive.as_ref().map(
                |PassiveCheck {
                     healthy, unhealthy, ..
                 }| { Judge::new(healthy, unhealthy) },
            ),
        }
    }

    /// Whether nodes that fail are let back in by time, since no probe will tell.
    #[must_use]
    pub fn ejects(&self) -> bool {
        self.active.is_none()
    }
}

impl Active {
    fn new(check: &ActiveCheck) -> Self {
        let at_once = usize::try_from(check.concurrency).unwrap_or(CONCURRENCY);
        let at_once = if at_once == 0 { CONCURRENCY } else { at_once };
        Self {
            judge: Judge::new(&check.healthy, &check.unhealthy),
            healthy_interval: bounded(check.healthy.interval),
            unhealthy_interval: bounded(check.unhealthy.interval),
            timeout: bounded(check.timeout),
            turns: Semaphore::new(at_once.min(Semaphore::MAX_PERMITS)),
        }
    }
}

fn bounded(time: Duration) -> Duration {
    time.clamp(Duration::from_millis(1), LONGEST)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use weir_model::upstream::Upstream;

    use super::*;

    fn upstream(spec: &Value) -> Upstream {
        Upstream::parse(spec).unwrap()
    }

    #[test]
    fn a_status_in_neither_list_says_nothing_and_the_good_list_wins() {
        let spec = json!({"nodes": {}, "checks": {"active": {
            "healthy": {"http_statuses": [200, 404]}, "unhealthy": {"http_statuses": [404, 599]}}}});
        let rules = Rules::new(&upstream(&spec).checks_in_force().unwrap());
        let judge = rules.active.unwrap().judge;
        assert_eq!(judge.of_status(200), Some(Signal::Success));
        assert_eq!(judge.of_status(404), Some(Signal::Success));
        assert_eq!(judge.of_status(599), Some(Signal::HttpFailure));
        assert_eq!(judge.of_status(201), None);
        assert_eq!(judge.of_status(u16::MAX), None);
    }

    #[test]
    fn second_spellings_take_effect() {
        let spec = json!({"nodes": {}, "checks": {"active": {
            "interval": 7, "timeout": 2.5, "unhealthy": {"interval": 3},
            "healthy": {"http_successes": 9}}}});
        let active = Rules::new(&upstream(&spec).checks_in_force().unwrap())
            .active
            .unwrap();
        assert_eq!(active.healthy_interval, Duration::from_secs(7));
        assert_eq!(active.unhealthy_interval, Duration::from_secs(3));
        assert_eq!(active.timeout, Duration::from_millis(2500));
        assert_eq!(active.judge.limits().successes, 9);
    }
}
