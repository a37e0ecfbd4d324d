//! Choosing a node. Decisions are functions of the nodes, the request's variables and a random
//! number; state that many workers share is atomic.

mod chained;
mod consistent_hash;
mod ewma;
mod least_conn;
mod round_robin;
mod sessions;

use std::borrow::Cow;
use std::sync::LazyLock;

use weir_model::field::variable::{Variable, Variables};
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

/// Balancer of an upstream: priority groups, highest first. A balancer of unknown type has no
/// groups, and picks nothing.
#[derive(Debug)]
pub struct Balancer {
    groups: Vec<Group>,
}

/// A node that was picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chosen {
    /// Position in the upstream.
    pub node: usize,
    /// The session that the choice belongs to, where choices depend on earlier outcomes: these
    /// are told by [`Balancer::report`].
    pub session: Option<u64>,
}

impl Balancer {
    /// Builds the balancer of `nodes`.
    #[must_use]
    pub fn new(kind: &Kind, nodes: &[NodeRuntime]) -> Self {
        // Weight 0 gets nothing, unless all have it: then all are served evenly.
        let even = nodes.iter().all(|node| node.weight == 0);
        let served = |node: &NodeRuntime| even || node.weight > 0;
        let mut priorities: Vec<i32> = nodes
            .iter()
            .filter(|node| served(node))
            .map(|node| node.priority)
            .collect();
        priorities.sort_unstable_by(|a, b| b.cmp(a));
        priorities.dedup();
        let groups = priorities.into_iter().filter_map(|priority| {
            let members = positions(nodes, |node| node.priority == priority && served(node));
            let weights: Vec<u32> = members
                .iter()
                .filter_map(|member| nodes.get(*member))
                .map(|node| if even { 1 } else { node.weight })
                .collect();
            let method = Method::new(kind, nodes, &members, &weights)?;
            Some(Group { members, method })
        });
        Self {
            groups: groups.collect(),
        }
    }

    /// Whether it picks anything at all.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        !self.groups.is_empty()
    }

    /// The next node for this request; `None` when every node was tried.
    #[must_use]
    pub fn pick(&self, nodes: &[NodeRuntime], choice: &Choice<'_>) -> Option<Chosen> {
        self.groups
            .iter()
            .find_map(|group| group.pick(nodes, choice))
    }

    /// Tells how a try ended: whether the node `answered`, at `now_ms`.
    pub fn report(&self, chosen: Chosen, answered: bool, now_ms: u64) {
        let Some(session) = chosen.session else {
            return;
        };
        let mut groups = self.groups.iter();
        if let Some(group) = groups.find(|group| group.members.contains(&chosen.node))
            && let Method::Chained(chained) = &group.method
        {
            chained.report(session, chosen.node, answered, now_ms);
        }
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
    fn new(kind: &Kind, nodes: &[NodeRuntime], members: &[usize], weights: &[u32]) -> Option<Self> {
        Some(match kind {
            Kind::RoundRobin => Method::RoundRobin(RoundRobin::new(weights)),
            Kind::ConsistentHash(key) => {
                Method::ConsistentHash(Ring::new(nodes, members, weights), key.clone())
            }
            Kind::LeastConn => Method::LeastConn,
            Kind::Ewma => Method::Ewma,
            Kind::Chained { key, conf } => {
                Method::Chained(Chained::new(members, weights, key.clone(), *conf))
            }
            Kind::Unknown(_) => return None,
        })
    }
}

impl Group {
    fn pick(&self, nodes: &[NodeRuntime], choice: &Choice<'_>) -> Option<Chosen> {
        let free = |slot: usize| {
            self.members
                .get(slot)
                .copied()
                .filter(|member| choice.may(*member))
        };
        let mut session = None;
        let node = match &self.method {
            Method::RoundRobin(state) => state.next(|slot| free(slot).is_some()).and_then(free),
            Method::ConsistentHash(ring, key) => {
                let key = session_key(key, choice.variables);
                ring.pick(key.as_bytes(), |node| choice.may(node))
            }
            Method::LeastConn => least_conn::pick(nodes, &self.members, choice),
            Method::Ewma => ewma::pick(nodes, &self.members, choice),
            Method::Chained(chained) => {
                let key = chained::hash(&session_key(chained.key(), choice.variables));
                session = Some(key);
                chained.pick(key, choice)
            }
        }?;
        Some(Chosen { node, session })
    }
}

/// Text that stands for the session: the configured key, else the client address.
fn session_key<'v>(key: &HashKey, variables: &'v dyn Variables) -> Cow<'v, str> {
    static CLIENT: LazyLock<Variable> = LazyLock::new(|| Variable::parse("remote_addr"));
    let filled = |variable: &Variable| {
        let text = variables.get(variable)?.into_text();
        (!text.is_empty()).then_some(text)
    };
    let found = match key {
        HashKey::Variable(variable) => filled(variable),
        HashKey::Combination(template) => {
            let rendered = template.render(variables);
            (rendered.resolved > 0).then_some(Cow::Owned(rendered.text))
        }
    };
    found
        .or_else(|| filled(&CLIENT))
        .unwrap_or(Cow::Borrowed(""))
}
