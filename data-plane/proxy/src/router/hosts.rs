//! The host index: exact names, wildcards by longest suffix, then routes without host.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use weir_model::field::host;
use weir_plugin_api::RequestHead;

use super::hash;
use super::paths::Kind;
use super::table::Table;

/// A host pattern, and how much lies below it.
#[derive(Debug, Clone)]
pub(super) struct Host {
    pub(super) text: Arc<str>,
    /// Distinguishes the hosts of one index; taken again once a host is gone.
    pub(super) id: u32,
    /// Candidates below it, by kind: kinds without any are not looked for.
    pub(super) exact: u32,
    pub(super) prefixes: u32,
    pub(super) any: u32,
    pub(super) regexes: u32,
}

impl Host {
    fn new(text: Arc<str>, id: u32) -> Self {
        Self {
            text,
            id,
            exact: 0,
            prefixes: 0,
            any: 0,
            regexes: 0,
        }
    }

    /// How many entries of a kind lie below it.
    pub(super) fn count(&mut self, kind: Kind) -> &mut u32 {
        match kind {
            Kind::Exact => &mut self.exact,
            Kind::Slash | Kind::Inside => &mut self.prefixes,
            Kind::Any => &mut self.any,
            Kind::Regex => &mut self.regexes,
        }
    }

    fn is_empty(&self) -> bool {
        self.exact + self.prefixes + self.any + self.regexes == 0
    }
}

/// A length of the text behind the `*` of some wildcard.
#[derive(Debug, Clone, Copy)]
struct Suffix {
    length: usize,
    /// Wildcards of this length whose text begins with a dot, and others.
    dotted: usize,
    plain: usize,
}

/// Hosts by name.
#[derive(Debug, Clone)]
pub(super) struct Hosts {
    table: Table<Host>,
    /// Lengths of wildcards, longest first, so that only lengths that exist are looked up.
    suffixes: Arc<Vec<Suffix>>,
    /// Routes without host.
    any: Host,
    /// Patterns that hold a port, and so are compared with the whole Host header.
    ported: usize,
    next: u32,
    free: Arc<Vec<u32>>,
}

impl Default for Hosts {
    fn default() -> Self {
        Self {
            table: Table::default(),
            suffixes: Arc::default(),
            any: Host::new(Arc::default(), 0),
            ported: 0,
            next: 1,
            free: Arc::default(),
        }
    }
}

impl Hosts {
    /// The host of a pattern, made if need be; an empty pattern means no host.
    pub(super) fn entry(&mut self, pattern: &Arc<str>) -> Option<&mut Host> {
        if pattern.is_empty() {
            return Some(&mut self.any);
        }
        let hash = hash_of(pattern);
        let is = |host: &Host| host.text == *pattern;
        if self.table.get(hash, is).is_none() {
            let reused = Arc::make_mut(&mut self.free).pop();
            let id = reused.unwrap_or(self.next);
            self.next += u32::from(reused.is_none());
            self.table.insert(hash, Host::new(Arc::clone(pattern), id));
            self.count(pattern, true);
        }
        self.table.get_mut(hash, is)
    }

    /// Forgets a host below which nothing is left.
    pub(super) fn tidy(&mut self, pattern: &str) {
        let hash = hash_of(pattern);
        let is = |host: &Host| &*host.text == pattern;
        if self.table.get(hash, is).is_some_and(Host::is_empty)
            && let Some(host) = self.table.remove(hash, is)
        {
            Arc::make_mut(&mut self.free).push(host.id);
            self.count(pattern, false);
        }
    }

    fn count(&mut self, pattern: &str, added: bool) {
        let change = |count: &mut usize| {
            *count = if added { *count + 1 } else { *count - 1 };
        };
        if host::holds_port(pattern) {
            change(&mut self.ported);
        }
        let Some(suffix) = host::suffix(pattern) else {
            return;
        };
        let suffixes = Arc::make_mut(&mut self.suffixes);
        let length = suffix.len();
        let at = suffixes.binary_search_by_key(&Reverse(length), |suffix| Reverse(suffix.length));
        let at = at.unwrap_or_else(|at| {
            let new = Suffix {
                length,
                dotted: 0,
                plain: 0,
            };
            suffixes.insert(at, new);
            at
        });
        if let Some(found) = suffixes.get_mut(at) {
            let dotted = suffix.starts_with('.');
            change(if dotted {
                &mut found.dotted
            } else {
                &mut found.plain
            });
        }
        suffixes.retain(|suffix| suffix.dotted + suffix.plain > 0);
    }

    /// Names by number.
    pub(super) fn names(&self) -> BTreeMap<u32, &str> {
        let hosts = self.table.iter().chain([&self.any]);
        hosts.map(|host| (host.id, &*host.text)).collect()
    }

    /// What lookups rely on, one line each, in no order.
    pub(super) fn describe(&self) -> Vec<String> {
        let line = |host: &Host| {
            format!(
                "host {:?} exact {} prefixes {} any {} regexes {}",
                host.text, host.exact, host.prefixes, host.any, host.regexes
            )
        };
        let mut lines: Vec<String> = self.table.iter().chain([&self.any]).map(line).collect();
        lines.push(format!(
            "suffixes {:?} ported {}",
            self.suffixes, self.ported
        ));
        lines
    }

    /// Shows the hosts that fit a request, best first, until one has an answer.
    #[inline]
    pub(super) fn visit<B>(
        &self,
        head: &RequestHead,
        visit: &mut impl FnMut(&Host) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let authority = (self.ported > 0).then(|| head.authority.to_ascii_lowercase());
        // The whole header is the more exact of the two.
        let names = [authority.as_deref(), Some(head.host.as_str())];
        for name in names.into_iter().flatten() {
            if let Some(host) = self.table.get(hash::of(name), |host| &*host.text == name) {
                visit(host)?;
            }
        }
        for suffix in self.suffixes.iter() {
            for name in names.into_iter().flatten() {
                let start = name.len().checked_sub(suffix.length);
                let Some(text) = start.and_then(|start| name.get(start..)) else {
                    continue;
                };
                if suffix.plain == 0 && !text.starts_with('.') {
                    continue;
                }
                let is = |host: &Host| host::suffix(&host.text) == Some(text);
                if let Some(host) = self.table.get(hash_of_wildcard(text), is) {
                    visit(host)?;
                }
            }
        }
        visit(&self.any)
    }
}

fn hash_of(pattern: &str) -> u64 {
    match host::suffix(pattern) {
        Some(suffix) => hash_of_wildcard(suffix),
        None => hash::of(pattern),
    }
}

#[inline]
fn hash_of_wildcard(suffix: &str) -> u64 {
    hash::step(u64::from(b'*'), suffix.as_bytes())
}
