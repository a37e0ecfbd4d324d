//! Makes what is known of the health of nodes, shared by all upstreams that check them alike.

use std::net::IpAddr;
use std::sync::Arc;

use weir_model::Problem;
use weir_model::upstream::{ActiveCheck, CheckType, Checks, Upstream, UpstreamTls};
use weir_plugin_api::Living;

use super::hub::Hub;
use super::probe::{Names, Probe};
use super::rules::Rules;
use super::target::{Place, Target};
use crate::tls::NodeTls;
use crate::tls::node::FindSsl;
use crate::upstream::fingerprint;

/// Makes the targets of the nodes of one upstream, finding again in [`Living`] what other upstreams
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
        let Some(checks) = config.checks_in_force() else {
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

    /// The state of a node at an address; `before` is what it had under an earlier configuration.
    pub(in crate::upstream) fn target(
        &self,
        host: &Arc<str>,
        ip: IpAddr,
        port: u16,
        before: Option<&Target>,
    ) -> Arc<Target> {
        let names = self
            .active
            .as_ref()
            .map(|check| Names::of(self.config, check, host));
        let header = names
            .as_ref()
            .map(|names| names.host.as_str())
            .unwrap_or_default();
        let key = format!(
            "health\u{0}{}\u{0}{header}\u{0}{port}\u{0}{ip}\u{0}{host}",
            self.fingerprint
        );
        self.living.get_or_init(&key, || {
            let probe = self.active.as_ref().zip(names.as_ref());
            let probe = probe.map(|(check, names)| Probe::new(check, names, self.tls.as_ref()));
            let place = Place {
                ip,
                port,
                hostname: Arc::clone(host),
                host_header: names.as_ref().map(|names| Arc::from(names.host.as_str())),
            };
            let (rules, hub) = (Arc::clone(&self.rules), Arc::clone(&self.hub));
            Target::new(place, rules, probe, hub, before)
        })
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
