//! How much an upstream and its nodes bear at once, over all workers of this agent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use weir_model::Key;
use weir_model::upstream::Upstream;
use weir_plugin_api::Living;

use super::budget::{Account, Budget, OWN};
use super::fingerprint;
use super::seats::Places;

/// Counts who is inside.
#[derive(Debug, Clone, Default)]
pub struct Gate {
    inside: Arc<AtomicU32>,
}

/// Somebody inside; dropping it leaves.
#[derive(Debug)]
pub struct Inside {
    inside: Arc<AtomicU32>,
}

impl Gate {
    /// Enters, unless `limit` are inside already.
    #[must_use]
    pub fn enter(&self, limit: u32) -> Option<Inside> {
        // Leaving is by drop, so whoever turns out to be too many leaves at once.
        let before = self.inside.fetch_add(1, Ordering::Relaxed);
        let entered = Inside {
            inside: Arc::clone(&self.inside),
        };
        (before < limit).then_some(entered)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.inside.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A limit was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

/// The load of one upstream. What has no limit is not counted.
#[derive(Debug)]
pub struct Load {
    /// Unless there are no further tries anyhow.
    budget: Option<Arc<Budget>>,
    /// Retries of one request that do not count while nodes answer: each may be asked once.
    free: u32,
    requests: Option<Arc<Gate>>,
    /// By position of the node.
    node_requests: Vec<Arc<Gate>>,
    /// By position of the node.
    places: Vec<Arc<Places>>,
}

impl Load {
    /// The load of an upstream with these nodes, given by what tells them apart. What is counted is
    /// found again in `living`.
    #[must_use]
    pub fn compile(
        key: &Key,
        config: &Upstream,
        retries: u32,
        nodes: impl ExactSizeIterator<Item = String> + Clone,
        living: &Living,
    ) -> Self {
        let gate = |place: String| living.get_or_init::<Gate>(&place, Gate::default);
        let limits = &config.limits;
        let budget = (retries > 0 || config.hedge.is_some()).then(|| {
            // What other nodes did says nothing about these.
            // A name that moves is the same service still.
            let nodes = config.nodes.iter().map(|node| (&node.host, node.port));
            let mut nodes: Vec<_> = nodes.collect();
            nodes.dedup();
            let nodes = fingerprint(&nodes);
            let place = format!("budget\u{0}{key}\u{0}{nodes}");
            living.get_or_init(&place, Budget::default)
        });
        let requests = limits.all.max_requests;
        let node_requests = limits.node.max_requests;
        let others = u32::try_from(nodes.len())
            .unwrap_or(u32::MAX)
            .saturating_sub(1);
        Self {
            places: Places::compile(key, config, nodes.clone(), living),
            budget,
            free: others.max(OWN),
            requests: requests.map(|_| gate(format!("requests\u{0}{key}"))),
            node_requests: if node_requests.is_some() {
                let place = |node| format!("requests\u{0}{key}\u{0}{node}");
                nodes.map(place).map(gate).collect()
            } else {
                Vec::new()
            },
        }
    }

    /// What bounds the connections to the node at this position, if anything does.
    #[must_use]
    pub fn places(&self, node: usize) -> Option<&Arc<Places>> {
        self.places.get(node)
    }

    /// A request begins; `None` where there are no further tries to account for.
    #[must_use]
    pub fn account(&self, config: &Upstream) -> Option<Account> {
        let budget = Arc::clone(self.budget.as_ref()?);
        Some(Account::open(budget, config.retry_budget, self.free))
    }

    /// Lets a request in; `None` when requests are not counted.
    ///
    /// # Errors
    /// As many as may be are under way.
    pub fn enter(&self, config: &Upstream) -> Result<Option<Inside>, Full> {
        enter(self.requests.as_deref(), config.limits.all.max_requests)
    }

    /// Lets a try to the node at this position in, as [`Load::enter`].
    ///
    /// # Errors
    /// As many as may be are under way.
    pub fn enter_node(&self, config: &Upstream, node: usize) -> Result<Option<Inside>, Full> {
        let gate = self.node_requests.get(node).map(Arc::as_ref);
        enter(gate, config.limits.node.max_requests)
    }
}

fn enter(gate: Option<&Gate>, limit: Option<u32>) -> Result<Option<Inside>, Full> {
    match (gate, limit) {
        (Some(gate), Some(limit)) => gate.enter(limit).map(Some).ok_or(Full),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_holds_its_limit_and_opens_again() {
        let gate = Gate::default();
        let first = gate.enter(2);
        let second = gate.enter(2);
        assert!(first.is_some() && second.is_some());
        assert!(gate.enter(2).is_none());
        assert!(gate.enter(3).is_some(), "the limit may be raised");
        drop(first);
        assert!(gate.enter(2).is_some());
        drop(second);
        assert_eq!(gate.inside.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn counts_outlive_a_configuration_and_nothing_is_counted_without_limits() {
        let living = Living::default();
        let key: Key = "upstreams/1".parse().unwrap();
        let compile = |limits: serde_json::Value| {
            let spec = serde_json::json!({"nodes": {"a:1": 1}, "limits": limits});
            let config = Upstream::parse(&spec).unwrap();
            let nodes = ["a:1".to_owned()].into_iter();
            let load = Load::compile(&key, &config, 0, nodes, &living);
            (load, config)
        };
        let one = serde_json::json!({"max_requests": 1, "node": {"max_requests": 1}});
        let (before, config) = compile(one.clone());
        let inside = before.enter(&config).unwrap();
        let node = before.enter_node(&config, 0).unwrap();
        assert!(inside.is_some() && node.is_some());
        let (after, config) = compile(one);
        assert_eq!(after.enter(&config).unwrap_err(), Full);
        assert_eq!(after.enter_node(&config, 0).unwrap_err(), Full);
        let (free, config) = compile(serde_json::json!({}));
        assert!(free.enter(&config).unwrap().is_none());
        assert!(free.account(&config).is_none());
    }
}
