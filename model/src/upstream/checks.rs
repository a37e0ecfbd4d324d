//! Health checks of an upstream.

use std::time::Duration;

use serde::Deserialize;

use crate::field::timeout;

/// Active and passive checks; at least one of them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Checks {
    /// Probes.
    pub active: Option<ActiveCheck>,
    /// Judging by real requests.
    pub passive: Option<PassiveCheck>,
}

/// What a check speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckType {
    /// HTTP requests.
    Http,
    /// HTTP requests over TLS.
    Https,
    /// Connects only.
    Tcp,
}

/// Probes of every node.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ActiveCheck {
    /// Kind of probe.
    #[serde(rename = "type")]
    pub kind: CheckType,
    /// Limit for one probe.
    #[serde(deserialize_with = "timeout::seconds")]
    pub timeout: Duration,
    /// Probes at once.
    pub concurrency: u32,
    /// Host header and name of the probe.
    pub host: Option<String>,
    /// Port instead of the node's.
    pub port: Option<u16>,
    /// Method.
    pub http_method: String,
    /// Path.
    pub http_path: String,
    /// Body.
    pub http_req_body: String,
    /// Header lines, `Name: value`.
    pub req_headers: Vec<String>,
    /// Whether the certificate of an https probe is verified.
    pub https_verify_certificate: bool,
    /// Towards healthy.
    pub healthy: Healthy,
    /// Towards unhealthy.
    pub unhealthy: Unhealthy,
}

/// What makes a node healthy.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Healthy {
    /// Time between probes of healthy nodes; not used by passive checks.
    #[serde(deserialize_with = "timeout::seconds")]
    pub interval: Duration,
    /// Good statuses.
    pub http_statuses: Vec<u16>,
    /// Successes in a row; 0 turns it off (passive only).
    pub successes: u8,
}

/// What makes a node unhealthy. A count of 0 turns that reason off (passive only).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Unhealthy {
    /// Time between probes of unhealthy nodes; not used by passive checks.
    #[serde(deserialize_with = "timeout::seconds")]
    pub interval: Duration,
    /// Bad statuses.
    pub http_statuses: Vec<u16>,
    /// Bad answers in a row.
    pub http_failures: u8,
    /// Failed connects in a row.
    pub tcp_failures: u8,
    /// Timeouts in a row.
    pub timeouts: u8,
}

/// Judging nodes by the answers to real requests.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct PassiveCheck {
    /// What counts.
    #[serde(rename = "type")]
    pub kind: CheckType,
    /// Towards healthy.
    #[serde(deserialize_with = "passive_healthy")]
    pub healthy: Healthy,
    /// Towards unhealthy.
    #[serde(deserialize_with = "passive_unhealthy")]
    pub unhealthy: Unhealthy,
}

impl Default for ActiveCheck {
    fn default() -> Self {
        Self {
            kind: CheckType::Http,
            timeout: Duration::from_secs(1),
            concurrency: 10,
            host: None,
            port: None,
            http_method: "GET".to_owned(),
            http_path: "/".to_owned(),
            http_req_body: String::new(),
            req_headers: Vec::new(),
            https_verify_certificate: true,
            healthy: Healthy::default(),
            unhealthy: Unhealthy::default(),
        }
    }
}

impl ActiveCheck {
    /// Name and value of one of `req_headers`; `None` when it is not a header field.
    #[must_use]
    pub fn field(line: &str) -> Option<(&str, &str)> {
        let (name, value) = line.split_once(':')?;
        let is_token =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let is_text = |byte: u8| byte == b'\t' || (byte >= b' ' && byte != 0x7f);
        let fits = !name.is_empty() && name.bytes().all(is_token) && value.bytes().all(is_text);
        fits.then(|| (name, value.trim_matches([' ', '\t'])))
    }
}

impl Default for Healthy {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(1),
            http_statuses: vec![200, 302],
            successes: 2,
        }
    }
}

impl Default for Unhealthy {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(1),
            http_statuses: vec![429, 404, 500, 501, 502, 503, 504, 505],
            http_failures: 5,
            tcp_failures: 2,
            timeouts: 3,
        }
    }
}

impl Healthy {
    /// Defaults of the passive side.
    #[must_use]
    pub fn passive() -> Self {
        Self {
            http_statuses: vec![
                200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305,
                306, 307, 308,
            ],
            successes: 5,
            ..Self::default()
        }
    }
}

impl Unhealthy {
    /// Defaults of the passive side.
    #[must_use]
    pub fn passive() -> Self {
        Self {
            http_statuses: vec![429, 500, 503],
            http_failures: 5,
            tcp_failures: 2,
            timeouts: 7,
            ..Self::default()
        }
    }
}

impl Default for PassiveCheck {
    fn default() -> Self {
        Self {
            kind: CheckType::Http,
            healthy: Healthy::passive(),
            unhealthy: Unhealthy::passive(),
        }
    }
}

#[derive(Deserialize)]
struct RawCounts {
    http_statuses: Option<Vec<u16>>,
    successes: Option<u8>,
    http_failures: Option<u8>,
    tcp_failures: Option<u8>,
    timeouts: Option<u8>,
}

fn passive_healthy<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Healthy, D::Error> {
    let raw = RawCounts::deserialize(from)?;
    let default = Healthy::passive();
    Ok(Healthy {
        interval: default.interval,
        http_statuses: raw.http_statuses.unwrap_or(default.http_statuses),
        successes: raw.successes.unwrap_or(default.successes),
    })
}

fn passive_unhealthy<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Unhealthy, D::Error> {
    let raw = RawCounts::deserialize(from)?;
    let default = Unhealthy::passive();
    Ok(Unhealthy {
        interval: default.interval,
        http_statuses: raw.http_statuses.unwrap_or(default.http_statuses),
        http_failures: raw.http_failures.unwrap_or(default.http_failures),
        tcp_failures: raw.tcp_failures.unwrap_or(default.tcp_failures),
        timeouts: raw.timeouts.unwrap_or(default.timeouts),
    })
}

impl super::Upstream {
    /// The checks in force: those of the configuration, else what `discovery_args` ask for.
    #[must_use]
    pub fn checks_in_force(&self) -> Option<Checks> {
        if let Some(checks) = &self.checks
            && (checks.active.is_some() || self.discovery.is_none())
        {
            return Some(checks.clone());
        }
        let passive = self
            .checks
            .as_ref()
            .and_then(|checks| checks.passive.clone());
        let args = self.discovery.as_ref().map(|discovery| &discovery.args);
        let active = args.and_then(|args| {
            let interval = args.health_check_interval;
            if args.health_check_path.is_none() && interval.is_none() {
                return None;
            }
            let mut check = ActiveCheck {
                kind: CheckType::Http,
                ..ActiveCheck::default()
            };
            if let Some(path) = &args.health_check_path {
                check.http_path.clone_from(path);
            }
            if let Some(interval) = interval {
                check.healthy.interval = interval;
                check.unhealthy.interval = interval;
            }
            Some(check)
        });
        (active.is_some() || passive.is_some()).then_some(Checks { active, passive })
    }
}
