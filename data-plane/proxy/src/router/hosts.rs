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
    /// Whether some pattern holds a port, and so is compared with the whole Host header.
    ported: bool,
}

impl Hosts {
    /// The paths below a host pattern; empty means no host.
    pub(super) fn entry(&mut self, host: &str) -> &mut Paths {
        self.ported |= holds_port(host);
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
        let authority = self.ported.then(|| head.authority.to_ascii_lowercase());
        // The whole header is the more exact of the two.
        let names = [authority.as_deref(), Some(head.host.as_str())];
        let names = || names.into_iter().flatten();
        for name in names() {
            if let Some(found) = self.exact.get(name).and_then(&ask) {
                return Some(found);
            }
        }
        for length in self.lengths.iter().rev() {
            for name in names() {
                // `*.a.test` needs something in front of the dot.
                let start = name.len().checked_sub(*length).filter(|start| *start > 0);
                let suffix = start.and_then(|start| name.get(start..));
                let paths = suffix.and_then(|suffix| self.wildcard.get(suffix));
                if let Some(found) = paths.and_then(&ask) {
                    return Some(found);
                }
            }
        }
        ask(&self.any)
    }
}

/// Whether a host pattern fits a request.
pub(super) fn host_fits(pattern: &str, head: &RequestHead) -> bool {
    let fits = |name: &str| match pattern.strip_prefix('*') {
        Some("") => true,
        Some(suffix) => name.len() > suffix.len() && name.ends_with(suffix),
        None => name == pattern,
    };
    fits(&head.host) || (holds_port(pattern) && fits(&head.authority.to_ascii_lowercase()))
}

/// Whether a pattern holds a port; the colons of an IPv6 address stand in brackets.
fn holds_port(pattern: &str) -> bool {
    let behind = pattern
        .rsplit_once(']')
        .map_or(pattern, |(_, behind)| behind);
    behind.contains(':')
}
