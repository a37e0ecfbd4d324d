//! Which nodes may be picked now, in which order of preference: a function of their health, place,
//! priority and age. It is computed when one of these changes, not for each request.

use std::time::Duration;

use weir_model::upstream::{SlowStart, WhenAllUnhealthy};

use super::balancer::round_robin::Turn;

/// Steps in which a weight grows during a slow start.
const STEPS: u32 = 50;
/// A share of the weight of near nodes that must be healthy, in percent, for far ones to be left
/// alone.
const ENOUGH_PERCENT: u64 = 50;

/// What is fixed about a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    /// Share of the traffic; 0 gets none.
    pub(super) weight: u32,
    /// Group of nodes of one priority, the first is used first.
    pub(super) group: usize,
    /// How far away it is: [`ZONE`], [`REGION`], a named region, [`ELSEWHERE`].
    pub(super) distance: u8,
}

/// What changes about a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Condition {
    /// Whether it is healthy.
    pub(super) usable: bool,
    /// Since when it has been in use, in milliseconds.
    pub(super) in_use_since_ms: u64,
    /// When it may be tried out again, if it is ejected.
    pub(super) trial_at_ms: Option<u64>,
}

/// Settings of the selection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Policy {
    pub(super) when_all_unhealthy: WhenAllUnhealthy,
    pub(super) slow_start: Option<SlowStart>,
    /// Whether near nodes come first.
    pub(super) locality: bool,
}

/// Nodes that are used before those of the next choice.
#[derive(Debug)]
pub(super) struct Tier {
    /// Position among the groups of the balancer.
    pub(super) group: usize,
    /// Positions of the nodes in the upstream, and their weights now, in the same order.
    pub(super) members: Vec<usize>,
    pub(super) weights: Vec<u32>,
    /// Whether a node of the upstream, by position, is a member.
    contains: Vec<bool>,
    /// The order in which round robin takes them.
    pub(super) turn: Option<Turn>,
}

/// What may be picked.
#[derive(Debug, Default)]
pub(super) struct Selection {
    /// When it was made: see [`super::health::hub::Hub::flips`].
    pub(super) flips: u64,
    /// Until when it holds.
    pub(super) until_ms: u64,
    pub(super) tiers: Vec<Tier>,
    /// Ejected nodes that a request shall try out.
    pub(super) due: Vec<usize>,
    /// No node is healthy.
    pub(super) all_unhealthy: bool,
}

/// Selects. `nodes` are those that are served at all, with their positions.
pub(super) fn select(
    nodes: &[(usize, Standing, Condition)],
    total: usize,
    policy: &Policy,
    round_robin: bool,
    now_ms: u64,
) -> Selection {
    let all_unhealthy = !nodes.iter().any(|(_, _, now)| now.usable);
    let mut due = Vec::new();
    let mut until_ms = u64::MAX;
    for (position, _, condition) in nodes {
        match condition.trial_at_ms {
            Some(at) if at <= now_ms => due.push(*position),
            Some(at) => until_ms = until_ms.min(at),
            None => {}
        }
    }
    let open = match policy.when_all_unhealthy {
        WhenAllUnhealthy::UseAll => all_unhealthy,
        WhenAllUnhealthy::Fail => false,
    };
    let usable: Vec<Candidate> = nodes
        .iter()
        .filter(|(_, _, condition)| open || condition.usable)
        .map(|(position, standing, condition)| Candidate {
            position: *position,
            weight: standing.weight,
            percent: percent(policy.slow_start.as_ref(), condition, now_ms, &mut until_ms),
            group: standing.group,
            distance: standing.distance,
        })
        .collect();
    let mut tiers = Vec::new();
    let groups = nodes
        .iter()
        .map(|(_, standing, _)| standing.group + 1)
        .max();
    for group in 0..groups.unwrap_or(0) {
        let here: Vec<Candidate> = usable
            .iter()
            .copied()
            .filter(|node| node.group == group)
            .collect();
        let limit = if policy.locality {
            let of_group = nodes
                .iter()
                .filter(|(_, standing, _)| standing.group == group);
            reach(&here, of_group.map(|(_, standing, _)| *standing))
        } else {
            Reach::All
        };
        let (first, rest): (Vec<_>, Vec<_>) = here
            .into_iter()
            .partition(|node| limit.takes(node.distance));
        for members in [first, rest] {
            if !members.is_empty() {
                tiers.push(Tier::new(group, &members, total, round_robin));
            }
        }
    }
    Selection {
        flips: 0,
        until_ms,
        tiers,
        due,
        all_unhealthy,
    }
}

#[derive(Clone, Copy)]
struct Candidate {
    position: usize,
    weight: u32,
    percent: u32,
    group: usize,
    distance: u8,
}

/// Which distances are used first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// The own region up to this distance: 0 is the zone, 1 the region.
    Within(u8),
    /// One region that the configuration names.
    Region(u8),
    /// Everywhere.
    All,
}

/// Distance of nodes in the agent's zone, and in its region.
pub(super) const ZONE: u8 = 0;
pub(super) const REGION: u8 = 1;
/// Distance of nodes that no setting names.
pub(super) const ELSEWHERE: u8 = u8::MAX;

impl Reach {
    fn takes(self, distance: u8) -> bool {
        match self {
            Reach::Within(limit) => distance <= limit,
            Reach::Region(region) => distance == region,
            Reach::All => true,
        }
    }
}

/// The nearest choice of which enough is healthy; all when there is none.
fn reach(usable: &[Candidate], all: impl Iterator<Item = Standing>) -> Reach {
    let all: Vec<(u8, u32)> = all
        .map(|standing| (standing.distance, standing.weight))
        .collect();
    let mut distances: Vec<u8> = all.iter().map(|(distance, _)| *distance).collect();
    distances.sort_unstable();
    distances.dedup();
    let choices = distances.into_iter().map(|distance| match distance {
        ZONE | REGION => Reach::Within(distance),
        ELSEWHERE => Reach::All,
        region => Reach::Region(region),
    });
    let enough = |choice: &Reach| {
        let sum = |nodes: &mut dyn Iterator<Item = (u8, u32)>| -> u64 {
            nodes
                .filter(|(distance, _)| choice.takes(*distance))
                .map(|(_, weight)| u64::from(weight))
                .sum()
        };
        let healthy = sum(&mut usable.iter().map(|node| (node.distance, node.weight)));
        let whole = sum(&mut all.iter().copied());
        healthy > 0 && healthy * 100 >= whole * ENOUGH_PERCENT
    };
    choices.into_iter().find(enough).unwrap_or(Reach::All)
}

/// Percent of its weight that a node has now; `until_ms` is set to when that changes.
fn percent(
    slow_start: Option<&SlowStart>,
    condition: &Condition,
    now_ms: u64,
    until_ms: &mut u64,
) -> u32 {
    let Some(slow_start) = slow_start else {
        return 100;
    };
    let window = milliseconds(slow_start.window).max(1);
    let age = now_ms.saturating_sub(condition.in_use_since_ms);
    if age >= window {
        return 100;
    }
    let step = (window / u64::from(STEPS)).max(1);
    *until_ms = (*until_ms).min(now_ms.saturating_add(step));
    let grown = u32::try_from(age / step * 100 / u64::from(STEPS)).unwrap_or(100);
    grown.clamp(u32::from(slow_start.min_weight_percent), 100)
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Tier {
    /// Whether a node of the upstream is a member.
    pub(super) fn has(&self, node: usize) -> bool {
        self.contains.get(node).is_some_and(|has| *has)
    }

    fn new(group: usize, nodes: &[Candidate], total: usize, round_robin: bool) -> Self {
        let growing = nodes.iter().any(|node| node.percent < 100);
        let weight = |node: &Candidate| {
            if growing {
                // In hundredths, so that small weights can be divided.
                node.weight.saturating_mul(node.percent).max(1)
            } else {
                node.weight
            }
        };
        let members: Vec<usize> = nodes.iter().map(|node| node.position).collect();
        let weights: Vec<u32> = nodes.iter().map(weight).collect();
        let mut contains = vec![false; total];
        for member in &members {
            if let Some(slot) = contains.get_mut(*member) {
                *slot = true;
            }
        }
        Self {
            turn: round_robin.then(|| Turn::new(&weights)),
            group,
            members,
            weights,
            contains,
        }
    }
}

#[cfg(test)]
mod tests;
