//! What the checks look up, derived from the resources and kept step by step, so that a write costs
//! the same whatever the number of resources.

use std::ops::Bound;
use std::sync::Arc;

use imbl::OrdSet;
use weir_model::references::references;
use weir_model::{Id, Key, Kind, Resource};

use crate::check::claim::{Claim, claims};

/// Lookup tables over a set of resources.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Index {
    /// Target, user, path in the user's document.
    uses: OrdSet<(Key, Key, Arc<str>)>,
    /// What a resource occupies, and which one.
    claims: OrdSet<(Claim, Key)>,
    /// Milliseconds since the epoch, and what expires then.
    expiries: OrdSet<(u64, Key)>,
}

impl Index {
    pub(crate) fn insert(&mut self, resource: &Resource) {
        let key = &resource.key;
        for (target, path) in uses_of(resource) {
            self.uses.insert((target, key.clone(), path));
        }
        for claim in claims(key.kind, &resource.spec) {
            self.claims.insert((claim, key.clone()));
        }
        if let Some(at) = resource.expires_at_ms {
            self.expiries.insert((at, key.clone()));
        }
    }

    pub(crate) fn remove(&mut self, resource: &Resource) {
        let key = &resource.key;
        for (target, path) in uses_of(resource) {
            self.uses.remove(&(target, key.clone(), path));
        }
        for claim in claims(key.kind, &resource.spec) {
            self.claims.remove(&(claim, key.clone()));
        }
        if let Some(at) = resource.expires_at_ms {
            self.expiries.remove(&(at, key.clone()));
        }
    }

    /// Who refers to `target`, by which path; ordered by user.
    pub(crate) fn uses(&self, target: &Key) -> impl Iterator<Item = (Key, Arc<str>)> {
        let first = (target.clone(), Key::new(Kind::Route, ""), Arc::from(""));
        self.uses
            .range((Bound::Included(first), Bound::Unbounded))
            .take_while(move |(used, _, _)| used == target)
            .map(|(_, user, path)| (user.clone(), path.clone()))
    }

    /// Who occupies `claim`, ordered by key.
    pub(crate) fn holders(&self, claim: &Claim) -> impl Iterator<Item = &Key> {
        let first = (claim.clone(), Key::new(Kind::Route, ""));
        self.claims
            .range((Bound::Included(first), Bound::Unbounded))
            .take_while(move |(held, _)| held == claim)
            .map(|(_, key)| key)
    }

    pub(crate) fn next_expiry_ms(&self) -> Option<u64> {
        self.expiries.get_min().map(|(at, _)| *at)
    }

    /// What expires at or before `at_ms`, earliest first.
    pub(crate) fn expired(&self, at_ms: u64) -> Vec<Key> {
        self.expiries
            .iter()
            .take_while(|(at, _)| *at <= at_ms)
            .map(|(_, key)| key.clone())
            .collect()
    }
}

fn uses_of(resource: &Resource) -> impl Iterator<Item = (Key, Id)> {
    references(resource.key.kind, &resource.spec)
        .into_iter()
        .map(|reference| (reference.target, Arc::from(reference.path)))
}
