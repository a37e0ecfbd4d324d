//! The health of one node: of its address, or of all the addresses that its name has.

use std::net::IpAddr;
use std::sync::Arc;

use weir_model::Problem;
use weir_model::upstream::{ActiveCheck, CheckType, Checks, Upstream, UpstreamTls};
use weir_plugin_api::Living;

use super::hub::Hub;
use super::names::Named;
use super::probe::{Names, Probe};
use super::rules::{self, Rules};
use super::target::{Place, Target};
use crate::tls::NodeTls;
use crate::tls::node::FindSsl;
use crate::upstream::fingerprint;
use crate::upstream::resolve::Source;

/// Health of a node that is checked.
#[derive(Debug, Clone)]
pub enum NodeHealth {
    /// The node is an address.
    Address(Arc<Target>),
    /// The node is a name: each of its addresses has a state.
    Name(Arc<Named>),
}

impl NodeHealth {
    /// Whether the node gets traffic. A name whose addresses are not known yet does.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        match self {
            NodeHealth::Address(target) => target.is_usable(),
            NodeHealth::Name(named) => {
                let targets = named.targets();
                targets.is_empty() || targets.iter().any(|target| target.is_usable())
            }
        }
    }

    /// The addresses.
    #[must_use]
    pub fn targets(&self) -> Vec<Arc<Target>> {
        match self {
            NodeHealth::Address(target) => vec![Arc::clone(target)],
            NodeHealth::Name(named) => named.targets().to_vec(),
        }
    }

    /// When the node last came into use again; 0 for never.
    #[must_use]
    pub fn recovered_ms(&self) -> u64 {
        match self {
            NodeHealth::Address(target) => target.recovered_ms(),
            NodeHealth::Name(named) => {
                let times = named
                    .targets()
                    .iter()
                    .map(|target| target.recovered_ms())
                    .max();
                times.unwrap_or(0)
            }
        }
    }

    /// When the first of its ejected addresses may be tried out.
    #[must_use]
    pub fn trial_at_ms(&self) -> Option<u64> {
        match self {
            NodeHealth::Address(target) => target.ejected_until_ms(),
            NodeHealth::Name(named) => {
                let targets = named.targets();
                targets
                    .iter()
                    .filter_map(|target| target.ejected_until_ms())
                    .min()
            }
        }
    }

    /// An address that this request shall try out, if one is due.
    #[must_use]
    pub fn begin_trial(&self, now_ms: u64) -> Option<Arc<Target>> {
        match self {
            NodeHealth::Address(target) => target.begin_trial(now_ms).then(|| Arc::clone(target)),
            NodeHealth::Name(named) => {
                let targets = named.targets();
                let due = targets.iter().find(|target| target.begin_trial(now_ms));
                due.cloned()
            }
        }
    }

    /// Whether an address is due and nobody tries it out yet.
    #[must_use]
    pub fn trial_is_free(&self, now_ms: u64) -> bool {
        self.targets()
            .iter()
            .any(|target| target.trial_is_free(now_ms))
    }

    /// An address for a request: one in use if there is one. `None` when the name has none yet.
    #[must_use]
    pub fn choose(&self, random: u64) -> Option<Arc<Target>> {
        let targets = match self {
            NodeHealth::Address(target) => return Some(Arc::clone(target)),
            NodeHealth::Name(named) => named.targets(),
        };
        let nth = |mut found: Vec<&Arc<Target>>| {
            let count = u64::try_from(found.len()).ok().filter(|count| *count > 0)?;
            let at = usize::try_from(random % count).ok()?;
            Some(Arc::clone(found.swap_remove(at)))
        };
        nth(targets.iter().filter(|target| target.is_usable()).collect())
            .or_else(|| nth(targets.iter().collect()))
    }
}

/// Makes the health of the nodes of one upstream, finding again in [`Living`] what other upstreams
/// with the same checks, or an earlier runtime, have made.
pub(in crate::upstream) struct Builder<'a> {
    config: &'a Upstream,
    kind: &'static str,
    active: Option<ActiveCheck>,
    tls: Option<Arc<NodeTls>>,
    rules: Arc<Rules>,
    fingerprint: String,
    hub: Arc<Hub>,
    living: &'a Living,
}

impl<'a> Builder<'a> {
    /// `None` when the upstream has no checks.
    ///
    /// # Errors
    /// TLS settings of https probes that cannot be used, with their path.
    pub(in crate::upstream) fn new(
        config: &'a Upstream,
        ssl: FindSsl<'_>,
        living: &'a Living,
    ) -> Result<Option<Self>, Problem> {
        let Some(checks) = rules::checks_of(config) else {
            return Ok(None);
        };
        let tls = match &checks.active {
            Some(check) if check.kind == CheckType::Https => {
                Some(probe_tls(config, check, ssl, living)?)
            }
            _ => None,
        };
        let encryption = tls.as_ref().map(|tls| tls.fingerprint);
        let fingerprint = fingerprint(&(&checks, encryption));
        let key = format!("health-rules\u{0}{fingerprint}");
        Ok(Some(Self {
            config,
            kind: kind(&checks),
            rules: living.get_or_init(&key, || Rules::new(&checks)),
            active: checks.active,
            tls,
            fingerprint,
            hub: Hub::of(living),
            living,
        }))
    }

    /// What kind of check it is, for display.
    pub(in crate::upstream) fn kind(&self) -> &'static str {
        self.kind
    }

    /// The health of a node; `before` is what it had under an earlier configuration.
    pub(in crate::upstream) fn node(
        &self,
        host: &Arc<str>,
        port: u16,
        before: Option<&NodeHealth>,
    ) -> NodeHealth {
        let names = self
            .active
            .as_ref()
            .map(|check| Names::of(self.config, check, host));
        let header = names
            .as_ref()
            .map(|names| names.host.as_str())
            .unwrap_or_default();
        let key = format!("{}\u{0}{header}\u{0}{port}", self.fingerprint);
        let probe = self.active.as_ref().zip(names.as_ref());
        let maker = Maker {
            key,
            hostname: Arc::clone(host),
            host_header: names.as_ref().map(|names| Arc::from(names.host.as_str())),
            port,
            rules: Arc::clone(&self.rules),
            probe: probe.map(|(check, names)| Probe::new(check, names, self.tls.as_ref())),
            hub: Arc::clone(&self.hub),
            living: self.living.clone(),
            source: Arc::new(Source::of(self.config)),
        };
        match host.parse::<IpAddr>() {
            Ok(ip) => {
                let before = match before {
                    Some(NodeHealth::Address(target)) => Some(target),
                    _ => None,
                };
                NodeHealth::Address(maker.target(ip, before.map(Arc::as_ref)))
            }
            Err(_) => {
                let before = match before {
                    Some(NodeHealth::Name(named)) => Some(named),
                    _ => None,
                };
                let key = format!(
                    "health-name\u{0}{}\u{0}{host}\u{0}{:?}",
                    maker.key, maker.source
                );
                let before = before.map(|named| named.targets().to_vec());
                NodeHealth::Name(
                    self.living
                        .get_or_init(&key, || Named::new(maker, &before.unwrap_or_default())),
                )
            }
        }
    }
}

/// TLS of https probes: that of requests, but verified as the check says.
fn probe_tls(
    config: &Upstream,
    check: &ActiveCheck,
    ssl: FindSsl<'_>,
    living: &Living,
) -> Result<Arc<NodeTls>, Problem> {
    let tls = UpstreamTls {
        verify: check.https_verify_certificate,
        ..config.tls.clone().unwrap_or_default()
    };
    NodeTls::compile(Some(&tls), &[], ssl, living)
}

fn kind(checks: &Checks) -> &'static str {
    let active = checks.active.as_ref().map(|check| check.kind);
    match active.or_else(|| checks.passive.as_ref().map(|check| check.kind)) {
        Some(CheckType::Https) => "https",
        Some(CheckType::Tcp) => "tcp",
        Some(CheckType::Http) | None => "http",
    }
}

/// Makes the targets of one node.
pub(super) struct Maker {
    key: String,
    pub(super) hostname: Arc<str>,
    host_header: Option<Arc<str>>,
    port: u16,
    rules: Arc<Rules>,
    probe: Option<Probe>,
    pub(super) hub: Arc<Hub>,
    living: Living,
    /// Where the name is asked for.
    pub(super) source: Arc<Source>,
}

impl Maker {
    /// The target of an address, shared with whoever checks it in the same way.
    pub(super) fn target(&self, ip: IpAddr, before: Option<&Target>) -> Arc<Target> {
        let key = format!("health\u{0}{}\u{0}{ip}\u{0}{}", self.key, self.hostname);
        self.living.get_or_init(&key, || {
            let place = Place {
                ip,
                port: self.port,
                hostname: Arc::clone(&self.hostname),
                host_header: self.host_header.clone(),
            };
            let (rules, hub) = (Arc::clone(&self.rules), Arc::clone(&self.hub));
            Target::new(place, rules, self.probe.clone(), hub, before)
        })
    }
}
