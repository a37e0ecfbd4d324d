//! How many connections lead to each node.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use weir_plugin_api::NodeAddress;

use super::pool::Pool;

/// The open connections of one worker, by node.
#[derive(Default)]
pub struct Census {
    open: RefCell<HashMap<NodeAddress, Arc<AtomicU64>>>,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub struct Counted(Arc<AtomicU64>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Connections to one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeConnections {
    /// The node.
    pub node: NodeAddress,
    /// All that are open.
    pub open: u64,
    /// Those of them that no request uses.
    pub idle: u64,
}

impl Census {
    /// Counts a new connection.
    #[must_use]
    pub fn count(&self, node: &NodeAddress) -> Counted {
        let mut open = self.open.borrow_mut();
        let count = match open.get(node) {
            Some(count) => Arc::clone(count),
            None => Arc::clone(open.entry(node.clone()).or_default()),
        };
        count.fetch_add(1, Ordering::Relaxed);
        Counted(count)
    }

    /// What is open now, with what of it `pool` keeps. Nodes that no connection leads to are
    /// forgotten.
    #[must_use]
    pub fn take(&self, pool: &Pool) -> Vec<NodeConnections> {
        let mut open = self.open.borrow_mut();
        open.retain(|_, count| count.load(Ordering::Relaxed) > 0);
        let mut idle = HashMap::new();
        pool.count_idle(&mut idle);
        let nodes = open.iter().map(|(node, count)| {
            let open = count.load(Ordering::Relaxed);
            let idle = idle.get(node).copied().unwrap_or_default();
            NodeConnections {
                node: node.clone(),
                open,
                idle: idle.min(open),
            }
        });
        nodes.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_counts_until_it_is_dropped() {
        let (census, pool) = (Census::default(), Pool::default());
        let node: NodeAddress = "10.0.0.1:80".parse().unwrap();
        let first = census.count(&node);
        let second = census.count(&node);
        let open = |count| NodeConnections {
            node: node.clone(),
            open: count,
            idle: 0,
        };
        assert_eq!(census.take(&pool), [open(2)]);
        drop(first);
        assert_eq!(census.take(&pool), [open(1)]);
        drop(second);
        assert!(census.take(&pool).is_empty());
    }
}
