//! A node that is a name: one target for each address that the name has now.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

use super::node::Maker;
use super::target::Target;
use crate::upstream::resolve::Source;

/// The addresses of a name, as the background last found them.
pub struct Named {
    maker: Maker,
    targets: ArcSwap<Vec<Arc<Target>>>,
}

impl Named {
    /// `before` are the targets that the node had under earlier rules.
    pub(super) fn new(maker: Maker, before: &[Arc<Target>]) -> Self {
        let again = |target: &Arc<Target>| maker.target(target.place.ip, Some(target));
        let targets = before.iter().map(again).collect();
        Self {
            maker,
            targets: ArcSwap::from_pointee(targets),
        }
    }

    /// The name.
    #[must_use]
    pub fn host(&self) -> &Arc<str> {
        &self.maker.hostname
    }

    /// Where the name is asked for.
    pub(super) fn source(&self) -> &Arc<Source> {
        &self.maker.source
    }

    /// The targets; empty until the name was resolved once.
    pub fn targets(&self) -> Guard<Arc<Vec<Arc<Target>>>> {
        self.targets.load()
    }

    /// Takes a new answer; whether it differs. What stays keeps its state. An empty answer changes
    /// nothing: the last good one stays.
    pub(super) fn update(&self, mut addresses: Vec<IpAddr>) -> bool {
        addresses.sort_unstable();
        addresses.dedup();
        let known = self.targets();
        let same = known
            .iter()
            .map(|target| target.place.ip)
            .eq(addresses.iter().copied());
        if addresses.is_empty() || same {
            return false;
        }
        let targets = addresses.into_iter().map(|ip| {
            let kept = known.iter().find(|target| target.place.ip == ip);
            kept.map_or_else(|| self.maker.target(ip, None), Arc::clone)
        });
        self.targets.store(Arc::new(targets.collect()));
        self.maker.hub.moved();
        true
    }
}

impl fmt::Debug for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Named")
            .field("host", self.host())
            .field("targets", &**self.targets())
            .finish_non_exhaustive()
    }
}
