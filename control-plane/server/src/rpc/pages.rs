//! A state, page by page, and what of a resource is shown.

use std::ops::Bound;
use std::sync::Arc;

use serde_json::Value;
use weir_model::{Key, Kind, Resource};
use weir_proto::resource as wire;
use weir_store::State;

/// Resources in one message at most.
const PAGE: usize = 500;
/// Bytes of documents after which a page ends.
const PAGE_BYTES: usize = 1 << 20;

/// Which kinds are wanted.
#[derive(Debug, Clone, Default)]
pub(super) struct Filter {
    /// All when empty.
    kinds: Vec<Kind>,
}

impl Filter {
    pub(super) fn new(kinds: Vec<Kind>) -> Self {
        Self { kinds }
    }

    pub(super) fn wants(&self, kind: Kind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }
}

/// The pages of one state. The state is held while they are read.
pub(super) struct Pages {
    state: Arc<State>,
    filter: Filter,
    secrets: bool,
    after: Bound<Key>,
    done: bool,
}

impl Pages {
    pub(super) fn new(state: Arc<State>, filter: Filter, secrets: bool) -> Self {
        // A single kind lies in one piece: begin there.
        let after = match filter.kinds.as_slice() {
            [kind] => Bound::Included(Key::new(*kind, "")),
            _ => Bound::Unbounded,
        };
        Self {
            state,
            filter,
            secrets,
            after,
            done: false,
        }
    }

    /// Number of resources over all pages.
    pub(super) fn total(&self) -> u64 {
        let set = &self.state.set;
        let total = match self.filter.kinds.as_slice() {
            [] => set.resources.len(),
            kinds => kinds.iter().map(|kind| set.of_kind(*kind).count()).sum(),
        };
        total as u64
    }

    pub(super) fn revision(&self) -> u64 {
        self.state.set.revision
    }
}

impl Iterator for Pages {
    /// Resources, and whether more follow. The first page comes even when it is empty.
    type Item = (Vec<wire::Resource>, bool);

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let single = matches!(self.filter.kinds.as_slice(), [_]);
        let mut page = Vec::new();
        let mut bytes = 0;
        let mut last = None;
        let range = (self.after.clone(), Bound::Unbounded);
        for (key, resource) in self.state.set.resources.range(range) {
            if !self.filter.wants(key.kind) {
                if single {
                    break;
                }
                continue;
            }
            if page.len() == PAGE || bytes >= PAGE_BYTES {
                self.after = last.map_or(Bound::Unbounded, Bound::Excluded);
                return Some((page, true));
            }
            let shown = show(resource, self.secrets);
            bytes += shown.spec.len();
            page.push(shown);
            last = Some(key.clone());
        }
        self.done = true;
        Some((page, false))
    }
}

/// A resource for the wire; without private keys unless `secrets`.
pub(super) fn show(resource: &Resource, secrets: bool) -> wire::Resource {
    let private = ["key", "keys"];
    if secrets
        || resource.key.kind != Kind::Ssl
        || private
            .iter()
            .all(|field| resource.spec.get(*field).is_none())
    {
        return resource.into();
    }
    let mut shown = resource.clone();
    let spec = Arc::make_mut(&mut shown.spec);
    if let Value::Object(fields) = spec {
        fields.retain(|name, _| !private.contains(&name.as_str()));
    }
    (&shown).into()
}
