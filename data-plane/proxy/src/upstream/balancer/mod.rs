//! Choosing a node. Decisions are functions of the nodes, the request's variables and a random
//! number; state that many workers share is atomic.

mod chained;
mod consistent_hash;
mod ewma;
mod least_conn;
pub(in crate::upstream) mod round_robin;
mod sessions;

use std::borrow::Cow;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, LazyLock};

use weir_model::field::variable::{Variable, Variables};
use weir_model::upstream::{Balancer as Kind, HashKey};

pub use chained::Table;
pub use sessions::Totals;

use chained::Chained;
use consistent_hash::Ring;

use super::node::NodeRuntime;
use super::selection::{Selection, Tier};

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

/// How nodes of one priority are balanced.
#[derive(Debug)]
enum Method {
    RoundRobin,
    ConsistentHash(Ring, HashKey),
    LeastConn,
    Ewma,
    Chained(Chained),
}

/// Nodes of one priority.
#[derive(Debug, Default)]
pub(super) struct Members {
    /// Positions in the upstream.
    pub(super) positions: Vec<usize>,
    /// Their weights; none is 0.
    pub(super) weights: Vec<u32>,
}

#[derive(Debug)]
struct Group {
    members: Vec<usize>,
    method: Method,
    /// Where round robin stands.
    counter: AtomicUsize,
}

/// What a balancer remembers from request to request, for each group of nodes. It does not change
/// with their health: `Selection` says which of them may be taken.
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

impl Chosen {
    pub(super) fn node(node: usize) -> Self {
        Self {
            node,
            session: None,
        }
    }
}

impl Balancer {
    /// Builds the balancer of groups of `nodes`; `table` has the sessions. One of unknown type has
    /// no groups, and picks nothing.
    #[must_use]
    pub(super) fn new(
        kind: &Kind,
        nodes: &[NodeRuntime],
        groups: &[Members],
        table: &Arc<Table>,
    ) -> Self {
        let group = |members: &Members| {
            let Members { positions, weights } = members;
            let method = match kind {
                Kind::RoundRobin => Method::RoundRobin,
                Kind::ConsistentHash(key) => {
                    Method::ConsistentHash(Ring::new(nodes, positions, weights), key.clone())
                }
                Kind::LeastConn => Method::LeastConn,
                Kind::Ewma => Method::Ewma,
                Kind::Chained { key, conf } => {
                    let table = Arc::clone(table);
                    Method::Chained(Chained::new(nodes, positions, key.clone(), *conf, table))
                }
                Kind::Unknown(_) => return None,
            };
            Some(Group {
                members: positions.clone(),
                method,
                counter: AtomicUsize::new(0),
            })
        };
        Self {
            groups: groups.iter().filter_map(group).collect(),
        }
    }

    /// Whether it picks anything at all.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        !self.groups.is_empty()
    }

    /// The next node for this request; `None` when every node was tried that may be.
    #[must_use]
    pub(super) fn pick(
        &self,
        nodes: &[NodeRuntime],
        selection: &Selection,
        choice: &Choice<'_>,
    ) -> Option<Chosen> {
        let mut tiers = selection.tiers.iter();
        tiers.find_map(|tier| self.groups.get(tier.group)?.pick(nodes, tier, choice))
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

impl Group {
    fn pick(&self, nodes: &[NodeRuntime], tier: &Tier, choice: &Choice<'_>) -> Option<Chosen> {
        let mut session = None;
        let node = match &self.method {
            Method::RoundRobin => {
                let free = |slot: usize| {
                    let member = tier.members.get(slot).copied();
                    member.filter(|member| choice.may(*member))
                };
                let turn = tier.turn.as_ref()?;
                turn.next(&self.counter, |slot| free(slot).is_some())
                    .and_then(free)
            }
            Method::ConsistentHash(ring, key) => {
                let key = session_key(key, choice.variables);
                ring.pick(key.as_bytes(), |node| tier.has(node) && choice.may(node))
            }
            Method::LeastConn => least_conn::pick(nodes, tier, choice),
            Method::Ewma => ewma::pick(nodes, tier, choice),
            Method::Chained(chained) => {
                let key = chained::hash(&session_key(chained.key(), choice.variables));
                session = Some(key);
                chained.pick(key, tier, &self.counter, choice)
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
