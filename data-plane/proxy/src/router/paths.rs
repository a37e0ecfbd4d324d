//! The path index of all hosts: one table of nodes. Exact paths are found by their whole text.
//! Prefixes lie on nodes for each `/` of their literal text, so that a lookup walks the request
//! path segment by segment for as long as there are nodes, and asks them deepest first. A literal
//! text that ends inside a segment (`/api/v*`) is found below the node of its last slash, by the
//! lengths that occur there. What only a regular expression describes comes last.

use std::ops::ControlFlow;
use std::sync::Arc;

use smallvec::SmallVec;

use super::candidate::Candidate;
use super::group::Group;
use super::hash;
use super::hosts::Host;
use super::table::Table;

/// What a node stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Exact,
    /// A prefix that ends with a slash.
    Slash,
    /// A prefix that ends inside a segment.
    Inside,
    /// The empty prefix.
    Any,
    Regex,
}

/// A text below a host, with what is found there.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// Of some pattern that begins with the text of this node.
    text: Arc<str>,
    /// Bytes of it that count.
    length: u32,
    pub(super) host: u32,
    pub(super) kind: Kind,
    /// Nodes one slash deeper.
    pub(super) deeper: u32,
    pub(super) group: Group,
    /// Lengths of prefixes that end inside the segment behind this node, longest first, each with
    /// the number of nodes.
    pub(super) inside: Option<Arc<Vec<(usize, usize)>>>,
}

impl Node {
    pub(super) fn new(text: Arc<str>, length: u32, host: &Host, kind: Kind) -> Self {
        Self {
            text,
            length,
            host: host.id,
            kind,
            deeper: 0,
            group: Group::None,
            inside: None,
        }
    }

    pub(super) fn text(&self) -> &str {
        self.text.get(..self.length as usize).unwrap_or_default()
    }

    #[inline]
    pub(super) fn is(&self, host: &Host, kind: Kind, text: &str) -> bool {
        self.host == host.id && self.kind == kind && self.text() == text
    }

    pub(super) fn is_empty(&self) -> bool {
        self.deeper == 0 && self.group.is_empty() && self.inside.is_none()
    }
}

/// The paths below all hosts.
#[derive(Debug, Clone, Default)]
pub(super) struct Paths {
    pub(super) nodes: Table<Node>,
}

impl Paths {
    /// Shows what a path leads to below a host, best first, until it is taken.
    #[inline]
    pub(super) fn visit<'r, B>(
        &'r self,
        host: &Host,
        path: &str,
        visit: &mut impl FnMut(&'r Candidate) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        if host.exact > 0
            && let Some(node) = self.whole(host, Kind::Exact, path)
        {
            node.group.visit(visit)?;
        }
        if host.prefixes > 0 {
            self.visit_prefixes(host, path, visit)?;
        }
        if host.any > 0
            && let Some(node) = self.whole(host, Kind::Any, "")
        {
            node.group.visit(visit)?;
        }
        if host.regexes > 0
            && let Some(node) = self.whole(host, Kind::Regex, "")
        {
            node.group.visit(visit)?;
        }
        ControlFlow::Continue(())
    }

    #[inline]
    fn visit_prefixes<'r, B>(
        &'r self,
        host: &Host,
        path: &str,
        visit: &mut impl FnMut(&'r Candidate) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let mut found: SmallVec<[(&Node, u64); 8]> = SmallVec::new();
        let mut hash = seed(host, Kind::Slash);
        let mut at = 0;
        while let Some(segment) = segment(path, at) {
            at += segment.len();
            hash = hash::step(hash, segment.as_bytes());
            let text = path.get(..at).unwrap_or_default();
            let Some(node) = self.get(host, Kind::Slash, text, hash) else {
                break;
            };
            if !node.group.is_empty() || node.inside.is_some() {
                found.push((node, hash));
            }
            if node.deeper == 0 {
                break;
            }
        }
        for (node, hash) in found.into_iter().rev() {
            if let Some(lengths) = &node.inside {
                self.visit_inside(host, path, node, hash, lengths, visit)?;
            }
            node.group.visit(visit)?;
        }
        ControlFlow::Continue(())
    }

    fn visit_inside<'r, B>(
        &'r self,
        host: &Host,
        path: &str,
        node: &Node,
        hash: u64,
        lengths: &[(usize, usize)],
        visit: &mut impl FnMut(&'r Candidate) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        for (length, _) in lengths {
            let Some(text) = path.get(..*length) else {
                continue;
            };
            let hash = inside(hash, text, node.length as usize);
            if let Some(node) = self.get(host, Kind::Inside, text, hash) {
                node.group.visit(visit)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// The node of a text that is found at once.
    #[inline]
    fn whole(&self, host: &Host, kind: Kind, text: &str) -> Option<&Node> {
        self.get(
            host,
            kind,
            text,
            hash::step(seed(host, kind), text.as_bytes()),
        )
    }

    #[inline]
    fn get(&self, host: &Host, kind: Kind, text: &str, hash: u64) -> Option<&Node> {
        self.nodes.get(hash, |node| node.is(host, kind, text))
    }
}

/// Where the hashes of a host's nodes of one kind begin.
#[inline]
pub(super) fn seed(host: &Host, kind: Kind) -> u64 {
    u64::from(host.id) << 8 | kind as u64
}

/// The hash of a text that ends inside a segment, from that of its last slash.
#[inline]
pub(super) fn inside(slash: u64, text: &str, from: usize) -> u64 {
    let behind = text.as_bytes().get(from..).unwrap_or_default();
    hash::step(!slash, behind)
}

/// The segment of a path that begins at `at`, with the slash at its end; `None` for the last one.
#[inline]
pub(super) fn segment(path: &str, at: usize) -> Option<&str> {
    let rest = path.get(at..)?;
    let slash = rest.bytes().position(|byte| byte == b'/')?;
    rest.get(..=slash)
}
