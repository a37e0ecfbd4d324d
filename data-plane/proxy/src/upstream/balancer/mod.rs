//! Choosing a node. Decisions are functions of the nodes, the request's variables and a random
//! number; state that many workers share is atomic.

mod chained;
mod consistent_hash;
mod ewma;
mod least_conn;
mod round_robin;
mod sessions;

use std::borrow::Cow;

use weir_model::field::expr::{Var, Variables};
use weir_model::upstream::{Balancer as Kind, HashKey};

use chained::Chained;
use consistent_hash::Ring;
use round_robin::RoundRobin;

use super::node::NodeRuntime;

/// What a choice may depend on.
pub struct Choice<'a> {
    /// Variables of the request.
    pub variables: &'a dyn Variables,
    /// Nodes tried already for this request: not picked again.
    pub tried: &'a [usize],
    /// 64 random bits.
    pub random: u64,
    /// Milliseconds on a clock that never goes back.
    pub now_ms: u64,
}

impl Choice<'_> {
    fn may(&self, node: usize) -> bool {
        !self.tried.contains(&node)
    }
}

/// The balancer of one priority group of nodes.
#[derive(Debug)]
enum Method {
    RoundRobin(RoundRobin),
    ConsistentHash(Ring, HashKey),
    LeastConn,
    Ewma,
    Chained(Chained),
}

/// Nodes of one priority, by position in the upstream.
#[derive(Debug)]
struct Group {
    members: Vec<usize>,
    method: Method,
}

/// Balancer of an upstream: priority groups, highest first.
#[derive(Debug)]
pub struct Balancer {
    groups: Vec<Group>,
}

impl Balancer {
    /// Builds the balancer of `nodes`.
    ///
    /// # Errors
    /// A type that does not exist.
    pub fn new(kind: &Kind, nodes: &[NodeRuntime]) -> Result<Self, String> {
        let mut priorities: Vec<i32> = nodes.iter().map(|node| node.priority).collect();
        priorities.sort_unstable_by(|a, b| b.cmp(a));
        priorities.dedup();
        let groups = priorities
            .into_iter()
            .map(|priority| {
                let all: Vec<usize> = positions(nodes, |node| node.priority == priority);
                let weighted: Vec<usize> =
                    positions(nodes, |node| node.priority == priority && node.weight > 0);
                // Weight 0 gets nothing, unless all have it: then all are served evenly.
                let (members, even) = if weighted.is_empty() {
                    (all, true)
                } else {
                    (weighted, false)
                };
                let weights: Vec<u32> = members
                    .iter()
                    .filter_map(|member| nodes.get(*member))
                    .map(|node| if even { 1 } else { node.weight })
                    .collect();
                let method = Method::new(kind, nodes, &members, &weights)?;
                Ok(Group { members, method })
            })
            .collect::<Result<_, String>>()?;
        Ok(Self { groups })
    }

    /// The next node for this request; `None` when every node was tried.
    #[must_use]
    pub fn pick(&self, nodes: &[NodeRuntime], choice: &Choice<'_>) -> Option<usize> {
        self.groups
            .iter()
            .find_map(|group| group.pick(nodes, choice))
    }
}

fn positions(nodes: &[NodeRuntime], wanted: impl Fn(&NodeRuntime) -> bool) -> Vec<usize> {
    nodes
        .iter()
        .enumerate()
        .filter(|(_, node)| wanted(node))
        .map(|(at, _)| at)
        .collect()
}

impl Method {
    fn new(
        kind: &Kind,
        nodes: &[NodeRuntime],
        members: &[usize],
        weights: &[u32],
    ) -> Result<Self, String> {
        Ok(match kind {
            Kind::RoundRobin => Method::RoundRobin(RoundRobin::new(weights)),
            Kind::ConsistentHash(key) => {
                Method::ConsistentHash(Ring::new(nodes, members, weights), key.clone())
            }
            Kind::LeastConn => Method::LeastConn,
            Kind::Ewma => Method::Ewma,
            Kind::Chained { key, conf } => {
                Method::Chained(Chained::new(weights, key.clone(), *conf))
            }
            Kind::Unknown(name) => {
                return Err(format!(
                    "expected roundrobin, weighted_round_robin, chash, least_conn, ewma or chrr, \
                     got {name:?}"
                ));
            }
        })
    }
}

impl Group {
    fn pick(&self, nodes: &[NodeRuntime], choice: &Choice<'_>) -> Option<usize> {
        let free = |slot: usize| {
            self.members
                .get(slot)
                .copied()
                .filter(|member| choice.may(*member))
        };
        match &self.method {
            Method::RoundRobin(state) => state.next(|slot| free(slot).is_some()).and_then(free),
            Method::ConsistentHash(ring, key) => ring
                .pick(session_key(key, choice.variables).as_bytes(), |node| {
                    choice.may(node)
                }),
            Method::LeastConn => least_conn::pick(nodes, &self.members, choice),
            Method::Ewma => ewma::pick(nodes, &self.members, choice),
            Method::Chained(chained) => {
                let key = session_key(chained.key(), choice.variables);
                chained.pick(&key, choice, &self.members)
            }
        }
    }
}

/// Text that stands for the session: the configured key, else the client address.
fn session_key<'v>(key: &HashKey, variables: &'v dyn Variables) -> Cow<'v, str> {
    let named = |name: &str| match variables.get(name) {
        Some(Var::Text(text)) if !text.is_empty() => Some(text),
        _ => None,
    };
    let found = match key {
        HashKey::Variable(name) => named(name),
        HashKey::Header(name) => named(&format!("http_{}", name.replace('-', "_"))),
        HashKey::Cookie(name) => named(&format!("cookie_{name}")),
        HashKey::Consumer => named("consumer_name"),
        HashKey::Combination(template) => {
            let rendered = template.render(variables);
            (rendered.resolved > 0).then_some(Cow::Owned(rendered.text))
        }
    };
    found
        .or_else(|| named("remote_addr"))
        .unwrap_or(Cow::Borrowed(""))
}
