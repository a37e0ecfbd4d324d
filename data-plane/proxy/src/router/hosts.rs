//! The host index: exact names, wildcards by longest suffix, then routes without host.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use weir_plugin_api::RequestHead;

use super::RouteMatch;
use super::paths::Paths;

/// Paths below hosts.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    exact: HashMap<Arc<str>, Paths>,
    /// By the text behind the `*`.
    wildcard: HashMap<Arc<str>, Paths>,
    /// Lengths of these texts, so that only lengths that exist are looked up.
    lengths: BTreeSet<usize>,
    any: Paths,
}

impl Hosts {
    /// The paths below a host pattern; empty means no host.
    pub(super) fn entry(&mut self, host: &str) -> &mut Paths {
        match host.strip_prefix('*') {
            _ if host.is_empty() => &mut self.any,
            Some("") => &mut self.any,
            Some(suffix) => {
                self.lengths.insert(suffix.len());
                self.wildcard.entry(Arc::from(suffix)).or_default()
            }
            None => self.exact.entry(Arc::from(host)).or_default(),
        }
    }

    pub(super) fn finish(&mut self) {
        self.exact
            .values_mut()
            .chain(self.wildcard.values_mut())
            .for_each(Paths::finish);
        self.any.finish();
    }

    /// Asks the hosts that fit, best first, until one has an answer.
    pub(super) fn visit(
        &self,
        head: &RequestHead,
        ask: impl Fn(&Paths) -> Option<RouteMatch>,
    ) -> Option<RouteMatch> {
        if !self.exact.is_empty() {
            // A pattern with a port is compared with the whole Host header.
            if head.authority.len() != head.host.len() {
                let authority = head.authority.to_ascii_lowercase();
                if let Some(found) = self.exact.get(authority.as_str()).and_then(&ask) {
                    return Some(found);
                }
            }
            if let Some(found) = self.exact.get(head.host.as_str()).and_then(&ask) {
                return Some(found);
            }
        }
        for length in self.lengths.iter().rev() {
            // `*.a.test` needs something in front of the dot.
            let Some(start) = head
                .host
                .len()
                .checked_sub(*length)
                .filter(|start| *start > 0)
            else {
                continue;
            };
            let found = head
                .host
                .get(start..)
                .and_then(|suffix| self.wildcard.get(suffix));
            if let Some(found) = found.and_then(&ask) {
                return Some(found);
            }
        }
        ask(&self.any)
    }
}

/// Whether a host pattern fits a request.
pub(super) fn host_fits(pattern: &str, head: &RequestHead) -> bool {
    match pattern.strip_prefix('*') {
        Some(suffix) => head.host.len() > suffix.len() && head.host.ends_with(suffix),
        None if pattern.contains(':') => head.authority.eq_ignore_ascii_case(pattern),
        None => head.host == pattern,
    }
}
