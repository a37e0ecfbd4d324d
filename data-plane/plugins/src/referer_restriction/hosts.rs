//! Host names, whole or by their end.

use std::collections::{BTreeSet, HashSet};

/// A set of hosts: `example.com`, `*.example.com`, `*`.
#[derive(Default)]
pub(super) struct Hosts {
    any: bool,
    whole: HashSet<String>,
    ends: HashSet<String>,
    /// Lengths of the ends: a host is looked up once for each.
    lengths: BTreeSet<usize>,
}

impl Hosts {
    pub(super) fn of(list: &[String]) -> Self {
        let mut hosts = Self::default();
        for host in list.iter().map(|host| host.to_ascii_lowercase()) {
            match host.strip_prefix('*') {
                Some("") => hosts.any = true,
                Some(end) => {
                    hosts.lengths.insert(end.len());
                    hosts.ends.insert(end.to_owned());
                }
                None => _ = hosts.whole.insert(host),
            }
        }
        hosts
    }

    /// Whether a host in lower case is in the set.
    pub(super) fn contains(&self, host: &str) -> bool {
        self.any
            || self.whole.contains(host)
            || self.lengths.iter().any(|length| {
                let at = host.len().checked_sub(*length);
                let end = at.and_then(|at| host.get(at..));
                end.is_some_and(|end| self.ends.contains(end))
            })
    }
}
