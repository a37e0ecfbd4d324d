//! Chained round robin (extensions.md): the first request of a session takes the next node by
//! round robin, later ones stay on it. When the node fails, the session keeps to it for up to
//! `max_retry_times` consecutive failures or `retry_timeout` since the first of them, then moves on
//! to the next node of the chain.

use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use weir_model::upstream::{ChainedRoundRobin, HashKey};

use super::Choice;
use super::sessions::{Sessions, Totals};
use crate::upstream::node::NodeRuntime;
use crate::upstream::selection::Tier;

/// Sessions of one upstream that are remembered at most.
const MAX_SESSIONS: usize = 100_000;

#[derive(Debug, Clone, Copy)]
struct Session {
    /// Name of the node, so that the session finds it again when the list of nodes changes.
    node: u64,
    used_ms: u64,
    /// Failures in a row, and when the first of them was.
    failures: u32,
    failing_since_ms: u64,
}

/// The sessions of an upstream, shared by all workers; outlives changes of its nodes.
#[derive(Debug)]
pub struct Table(Mutex<Sessions<Session>>);

impl Table {
    /// An empty table.
    #[must_use]
    pub fn new(totals: Arc<Totals>) -> Self {
        Self(Mutex::new(Sessions::new(MAX_SESSIONS, totals)))
    }

    fn lock(&self) -> MutexGuard<'_, Sessions<Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The chain of one group of nodes.
#[derive(Debug)]
pub(super) struct Chained {
    key: HashKey,
    conf: ChainedRoundRobin,
    /// Positions in the upstream, with the names of the nodes.
    chain: Vec<(usize, u64)>,
    /// Positions in the chain by name.
    slots: HashMap<u64, usize>,
    table: Arc<Table>,
}

impl Chained {
    /// `members` are positions in the upstream.
    pub(super) fn new(
        nodes: &[NodeRuntime],
        members: &[usize],
        key: HashKey,
        conf: ChainedRoundRobin,
        table: Arc<Table>,
    ) -> Self {
        let name = |member: &usize| {
            let node = nodes.get(*member)?;
            Some((*member, hash(&node.label(""))))
        };
        let chain: Vec<(usize, u64)> = members.iter().filter_map(name).collect();
        let slots = chain
            .iter()
            .enumerate()
            .map(|(slot, (_, name))| (*name, slot));
        Self {
            key,
            conf,
            slots: slots.collect(),
            chain,
            table,
        }
    }

    pub(super) fn key(&self) -> &HashKey {
        &self.key
    }

    /// The node of the session; when this request may not take it, the next one that it may, while
    /// the session stays where it is.
    pub(super) fn pick(
        &self,
        session: u64,
        tier: &Tier,
        counter: &AtomicUsize,
        choice: &Choice<'_>,
    ) -> Option<usize> {
        let mut sessions = self.table.lock();
        let known = sessions
            .get(session)
            .filter(|known| !self.is_idle(known, choice.now_ms));
        let elsewhere = known.is_some() && !choice.tried.is_empty();
        if let Some(known) = known
            && self.slots.contains_key(&known.node)
        {
            known.used_ms = choice.now_ms;
            self.settle(known, choice.now_ms);
            let start = self.slots.get(&known.node).copied().unwrap_or(0);
            drop(sessions);
            let count = self.chain.len();
            return (0..count)
                .filter_map(|step| self.chain.get((start + step) % count))
                .map(|(member, _)| *member)
                .find(|member| tier.has(*member) && choice.may(*member));
        }
        let may = |slot: usize| {
            tier.members
                .get(slot)
                .is_some_and(|member| choice.may(*member))
        };
        let slot = tier.turn.as_ref()?.next(counter, may)?;
        let member = tier.members.get(slot).copied()?;
        let name = self.chain.iter().find(|(chained, _)| *chained == member);
        // Another group stands in for the one of the session, for this request only.
        if let Some((_, node)) = name.filter(|_| !elsewhere) {
            let fresh = Session {
                node: *node,
                used_ms: choice.now_ms,
                failures: 0,
                failing_since_ms: 0,
            };
            sessions.put(session, fresh, |session| {
                self.is_idle(session, choice.now_ms)
            });
        }
        Some(member)
    }

    /// Tells how a try on `node` ended. Only the session's own node counts.
    pub(super) fn report(&self, session: u64, node: usize, answered: bool, now_ms: u64) {
        let mut sessions = self.table.lock();
        let Some(known) = sessions.get(session) else {
            return;
        };
        let slot = self
            .slots
            .get(&known.node)
            .and_then(|slot| self.chain.get(*slot));
        if slot.is_none_or(|(member, _)| *member != node) {
            return;
        }
        if answered {
            known.failures = 0;
            return;
        }
        if known.failures == 0 {
            known.failing_since_ms = now_ms;
        }
        known.failures = known.failures.saturating_add(1);
        self.settle(known, now_ms);
    }

    /// Moves a session on whose node has failed too often or for too long.
    fn settle(&self, session: &mut Session, now_ms: u64) {
        let failing = now_ms.saturating_sub(session.failing_since_ms);
        let enough = session.failures >= self.conf.max_retry_times || failing >= self.limit_ms();
        if session.failures == 0 || !enough {
            return;
        }
        session.failures = 0;
        let slot = self.slots.get(&session.node).copied().unwrap_or(0);
        if let Some((_, next)) = self.chain.get((slot + 1) % self.chain.len().max(1)) {
            session.node = *next;
        }
    }

    fn is_idle(&self, session: &Session, now_ms: u64) -> bool {
        now_ms.saturating_sub(session.used_ms) > self.limit_ms()
    }

    fn limit_ms(&self) -> u64 {
        u64::try_from(self.conf.retry_timeout.as_millis()).unwrap_or(u64::MAX)
    }
}

/// A short name for a long one. FNV-1a, 64 bits: keeps keys out of the table.
pub(super) fn hash(key: &str) -> u64 {
    key.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
