//! Changing the path index: what lookups rely on, kept up with each entry.

use std::sync::Arc;

use super::candidate::Candidate;
use super::hash;
use super::hosts::{Host, Hosts};
use super::paths::{Kind, Node, Paths, inside, seed, segment};
use super::pattern::PathPattern;

/// A node as it is found: its hash, and what it is.
struct Place<'t> {
    hash: u64,
    kind: Kind,
    text: &'t str,
}

impl<'t> Place<'t> {
    /// Where a pattern belongs below a host: its own node first, then those above it.
    fn ladder(host: &Host, pattern: &'t PathPattern) -> Vec<Self> {
        let literal = pattern.literal();
        let whole = |kind: Kind, text: &'t str| {
            let hash = hash::step(seed(host, kind), text.as_bytes());
            vec![Self { hash, kind, text }]
        };
        if pattern.is_regex() {
            whole(Kind::Regex, "")
        } else if pattern.is_exact() {
            whole(Kind::Exact, literal)
        } else if literal.is_empty() {
            whole(Kind::Any, "")
        } else {
            Self::prefixes(host, literal)
        }
    }

    fn prefixes(host: &Host, literal: &'t str) -> Vec<Self> {
        let mut places: Vec<Self> = Vec::new();
        let mut hash = seed(host, Kind::Slash);
        let mut at = 0;
        while let Some(segment) = segment(literal, at) {
            at += segment.len();
            hash = hash::step(hash, segment.as_bytes());
            places.push(Self {
                hash,
                kind: Kind::Slash,
                text: literal.get(..at).unwrap_or_default(),
            });
        }
        if at < literal.len() {
            places.push(Self {
                hash: inside(hash, literal, at),
                kind: Kind::Inside,
                text: literal,
            });
        }
        places.reverse();
        places
    }
}

impl Node {
    /// Notes that the node of `child`, right below, came or went.
    fn link(&mut self, child: &Place<'_>, came: bool) {
        if child.kind == Kind::Inside {
            self.count_inside(child.text.len(), came);
        } else if came {
            self.deeper += 1;
        } else {
            self.deeper -= 1;
        }
    }

    fn count_inside(&mut self, length: usize, came: bool) {
        let mut lengths = self
            .inside
            .take()
            .map_or_else(Vec::new, |lengths| lengths.to_vec());
        match lengths.iter_mut().find(|(known, _)| *known == length) {
            Some((_, count)) if came => *count += 1,
            Some((_, count)) => *count -= 1,
            None => lengths.push((length, 1)),
        }
        lengths.retain(|(_, count)| *count > 0);
        lengths.sort_unstable_by(|a, b| b.cmp(a));
        self.inside = (!lengths.is_empty()).then(|| Arc::new(lengths));
    }
}

impl Paths {
    /// Adds an entry below a host.
    pub(super) fn insert(&mut self, host: &mut Host, candidate: Candidate) {
        let route = Arc::clone(&candidate.route);
        let Some(pattern) = route.patterns.get(usize::from(candidate.pattern)) else {
            return;
        };
        let ladder = Place::ladder(host, pattern);
        let Some((own, above)) = ladder.split_first() else {
            return;
        };
        *host.count(own.kind) += 1;
        let put = |paths: &mut Self, place: &Place<'_>, change: &mut dyn FnMut(&mut Node)| {
            let is = |node: &Node| node.is(host, place.kind, place.text);
            if let Some(node) = paths.nodes.get_mut(place.hash, is) {
                change(node);
                return false;
            }
            let length = u32::try_from(place.text.len()).unwrap_or(u32::MAX);
            let mut node = Node::new(Arc::clone(&pattern.text), length, host, place.kind);
            change(&mut node);
            paths.nodes.insert(place.hash, node);
            true
        };
        let mut candidate = Some(candidate);
        let mut new = put(self, own, &mut |node| {
            candidate
                .take()
                .into_iter()
                .for_each(|candidate| node.group.insert(candidate));
        });
        let mut child = own;
        for place in above {
            if !new {
                return;
            }
            new = put(self, place, &mut |node| node.link(child, true));
            child = place;
        }
    }

    /// Takes an entry out.
    pub(super) fn remove(&mut self, host: &mut Host, candidate: &Candidate) {
        let Some(pattern) = candidate.pattern() else {
            return;
        };
        let ladder = Place::ladder(host, pattern);
        let Some((own, above)) = ladder.split_first() else {
            return;
        };
        *host.count(own.kind) -= 1;
        let take = |paths: &mut Self, place: &Place<'_>, change: &mut dyn FnMut(&mut Node)| {
            let is = |node: &Node| node.is(host, place.kind, place.text);
            let Some(node) = paths.nodes.get_mut(place.hash, is) else {
                return false;
            };
            change(node);
            node.is_empty() && paths.nodes.remove(place.hash, is).is_some()
        };
        let mut gone = take(self, own, &mut |node| node.group.remove(candidate));
        let mut child = own;
        for place in above {
            if !gone {
                return;
            }
            gone = take(self, place, &mut |node| node.link(child, false));
            child = place;
        }
    }

    /// One line per node, in no order.
    pub(super) fn describe(&self, hosts: &Hosts) -> Vec<String> {
        let names = hosts.names();
        let line = |node: &Node| {
            let entry = |candidate: &Candidate| {
                let (route, Candidate { pattern, host, .. }) = (&candidate.route, candidate);
                format!("{}#{pattern}#{host}", route.info.id)
            };
            let entries: Vec<String> = node.group.candidates().iter().map(entry).collect();
            format!(
                "{:?} {:?} {:?} deeper {} inside {:?}: {entries:?}",
                names.get(&node.host),
                node.kind,
                node.text(),
                node.deeper,
                node.inside,
            )
        };
        self.nodes.iter().map(line).collect()
    }
}
