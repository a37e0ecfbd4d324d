//! A radix tree of path prefixes. A lookup walks the path once and asks from the deepest prefix up.

use super::RouteMatch;
use super::candidate::Candidate;

/// One node; the root has an empty label.
#[derive(Debug, Default)]
pub(super) struct Tree {
    label: Box<[u8]>,
    /// Ordered by the first byte of their labels, which differ.
    children: Vec<Tree>,
    candidates: Vec<Candidate>,
}

impl Tree {
    pub(super) fn insert(&mut self, candidate: Candidate) {
        let literal = candidate.pattern.literal().to_owned();
        self.insert_below(literal.as_bytes(), candidate);
    }

    fn insert_below(&mut self, rest: &[u8], candidate: Candidate) {
        let Some(first) = rest.first() else {
            self.candidates.push(candidate);
            return;
        };
        match self.children.binary_search_by_key(first, Tree::first) {
            Err(at) => {
                let child = Tree {
                    label: rest.into(),
                    children: Vec::new(),
                    candidates: vec![candidate],
                };
                self.children.insert(at, child);
            }
            Ok(at) => {
                let Some(child) = self.children.get_mut(at) else {
                    return;
                };
                let common = child
                    .label
                    .iter()
                    .zip(rest)
                    .take_while(|(a, b)| a == b)
                    .count();
                if common < child.label.len() {
                    child.split(common);
                }
                child.insert_below(rest.get(common..).unwrap_or_default(), candidate);
            }
        }
    }

    /// Keeps `length` bytes of the label here and moves the rest into a child.
    fn split(&mut self, length: usize) {
        let (kept, moved) = self.label.split_at(length.min(self.label.len()));
        let (kept, moved) = (Box::from(kept), Box::from(moved));
        let lower = Tree {
            label: moved,
            children: std::mem::take(&mut self.children),
            candidates: std::mem::take(&mut self.candidates),
        };
        self.label = kept;
        self.children.push(lower);
    }

    fn first(&self) -> u8 {
        self.label.first().copied().unwrap_or(0)
    }

    pub(super) fn finish(&mut self) {
        self.candidates.sort_by(Candidate::order);
        self.children.iter_mut().for_each(Tree::finish);
    }

    /// Asks the candidates of every prefix of `path`, deepest first.
    pub(super) fn find(
        &self,
        path: &[u8],
        ask: &impl Fn(&[Candidate]) -> Option<RouteMatch>,
    ) -> Option<RouteMatch> {
        let deeper = path.first().and_then(|first| {
            let at = self
                .children
                .binary_search_by_key(first, Tree::first)
                .ok()?;
            let child = self.children.get(at)?;
            child.find(path.strip_prefix(&*child.label)?, ask)
        });
        deeper.or_else(|| ask(&self.candidates))
    }
}
