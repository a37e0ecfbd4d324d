//! Paths below one host: exact ones first, then the deepest prefix, then regular expressions.

use std::collections::HashMap;

use weir_plugin_api::RequestHead;

use super::RouteMatch;
use super::candidate::Candidate;
use super::tree::Tree;

/// The index of one host.
#[derive(Debug, Default)]
pub(super) struct Paths {
    exact: HashMap<Box<str>, Vec<Candidate>>,
    prefixes: Tree,
    regexes: Vec<Candidate>,
}

impl Paths {
    pub(super) fn insert(&mut self, candidate: Candidate) {
        if candidate.pattern.is_regex() {
            self.regexes.push(candidate);
        } else if candidate.pattern.is_exact() {
            let path = Box::from(candidate.pattern.literal());
            self.exact.entry(path).or_default().push(candidate);
        } else {
            self.prefixes.insert(candidate);
        }
    }

    pub(super) fn finish(&mut self) {
        for candidates in self.exact.values_mut() {
            candidates.sort_by(Candidate::order);
        }
        self.prefixes.finish();
        // A stable sort: the priority alone decides among regular expressions.
        self.regexes
            .sort_by_key(|candidate| std::cmp::Reverse(candidate.route.priority));
    }

    pub(super) fn find(&self, path: &str, head: &RequestHead) -> Option<RouteMatch> {
        let first_fit = |candidates: &[Candidate]| {
            candidates
                .iter()
                .find_map(|candidate| candidate.fits(path, head))
        };
        self.exact
            .get(path)
            .and_then(|candidates| first_fit(candidates))
            .or_else(|| self.prefixes.find(path.as_bytes(), &first_fit))
            .or_else(|| first_fit(&self.regexes))
    }
}
