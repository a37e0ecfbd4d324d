//! The next node for a request: one that it has not asked and that takes one more.

use std::sync::Arc;

use weir_model::field::variable::Variables;
use weir_plugin_api::Host;

use super::transaction::Transaction;
use crate::upstream::load::Inside;
use crate::upstream::node::InFlight;
use crate::upstream::runtime::{Picked, UpstreamRuntime};

/// A node that may be asked.
pub struct Candidate {
    /// The node.
    pub picked: Picked,
    /// Counts the try, and its place at the node when those are counted.
    pub counted: (InFlight, Option<Inside>),
}

/// Why there is no node for the next try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoNode {
    /// None is left.
    Untried,
    /// Some are, but they take no more at the moment.
    Full,
    /// Some are, but as many wait for connections to them as may.
    Crowded,
}

/// Chooses a node and notes it in `tried`.
///
/// # Errors
/// Why there is none.
pub fn next_node(
    transaction: &Transaction,
    upstream: &UpstreamRuntime,
    tried: &mut Vec<usize>,
) -> Result<Candidate, NoNode> {
    let context = &transaction.context;
    choose(context, &context.host, upstream, tried)
}

/// [`next_node`] for anything that has variables.
///
/// # Errors
/// Why there is none.
pub fn choose(
    variables: &dyn Variables,
    clock: &Arc<dyn Host>,
    upstream: &UpstreamRuntime,
    tried: &mut Vec<usize>,
) -> Result<Candidate, NoNode> {
    let mut none = NoNode::Untried;
    // Each turn either ends or rules one node out.
    for _ in upstream.nodes() {
        let Some((picked, in_flight)) = upstream.pick_by(variables, clock, tried) else {
            break;
        };
        tried.push(picked.index);
        let places = upstream.load.places(picked.index);
        if places.is_some_and(|places| places.are_crowded()) {
            none = NoNode::Crowded;
            continue;
        }
        match upstream.load.enter_node(&upstream.config, picked.index) {
            Ok(inside) => {
                return Ok(Candidate {
                    picked,
                    counted: (in_flight, inside),
                });
            }
            Err(_) => none = NoNode::Full,
        }
    }
    Err(none)
}
