//! Chained round robin (extensions.md): the first request of a session takes the next node by
//! round robin, later ones stay on it. When the node fails, the session keeps to it for up to
//! `max_retry_times` consecutive failures or `retry_timeout` since the first of them, then moves on
//! to the next node of the chain.

use std::sync::{Mutex, MutexGuard, PoisonError};

use weir_model::upstream::{ChainedRoundRobin, HashKey};

use super::Choice;
use super::round_robin::RoundRobin;
use super::sessions::Sessions;

/// Sessions that are remembered at most.
const MAX_SESSIONS: usize = 100_000;

#[derive(Debug, Clone, Copy)]
struct Session {
    slot: usize,
    used_ms: u64,
    /// Failures in a row, and when the first of them was.
    failures: u32,
    failing_since_ms: u64,
}

/// State of one group of nodes, shared by all workers.
#[derive(Debug)]
pub(super) struct Chained {
    key: HashKey,
    conf: ChainedRoundRobin,
    turn: RoundRobin,
    members: Vec<usize>,
    sessions: Mutex<Sessions<Session>>,
}

impl Chained {
    /// `weights` belong to the `members`, which are positions in the upstream.
    pub(super) fn new(
        members: &[usize],
        weights: &[u32],
        key: HashKey,
        conf: ChainedRoundRobin,
    ) -> Self {
        Self {
            key,
            conf,
            turn: RoundRobin::new(weights),
            members: members.to_vec(),
            sessions: Mutex::new(Sessions::new(MAX_SESSIONS)),
        }
    }

    pub(super) fn key(&self) -> &HashKey {
        &self.key
    }

    /// The node of the session; when this request has tried it already, the next one that it may
    /// take, while the session stays where it is.
    pub(super) fn pick(&self, session: u64, choice: &Choice<'_>) -> Option<usize> {
        let free = |slot: usize| {
            let member = self.members.get(slot).copied();
            member.filter(|member| choice.may(*member))
        };
        let mut sessions = self.sessions();
        let known = sessions
            .get(session)
            .filter(|known| choice.now_ms.saturating_sub(known.used_ms) <= self.limit_ms());
        if let Some(known) = known {
            known.used_ms = choice.now_ms;
            self.settle(known, choice.now_ms);
            let start = known.slot;
            drop(sessions);
            return (0..self.members.len())
                .map(|step| (start + step) % self.members.len())
                .find_map(free);
        }
        let slot = self.turn.next(|slot| free(slot).is_some())?;
        let fresh = Session {
            slot,
            used_ms: choice.now_ms,
            failures: 0,
            failing_since_ms: 0,
        };
        sessions.put(session, fresh);
        free(slot)
    }

    /// Tells how a try on `node` ended. Only the session's own node counts.
    pub(super) fn report(&self, session: u64, node: usize, answered: bool, now_ms: u64) {
        let mut sessions = self.sessions();
        let Some(known) = sessions.get(session) else {
            return;
        };
        if self.members.get(known.slot) != Some(&node) {
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
        if session.failures > 0
            && (session.failures >= self.conf.max_retry_times || failing >= self.limit_ms())
        {
            session.slot = (session.slot + 1) % self.members.len().max(1);
            session.failures = 0;
        }
    }

    fn limit_ms(&self) -> u64 {
        u64::try_from(self.conf.retry_timeout.as_millis()).unwrap_or(u64::MAX)
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions<Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The name of a session. FNV-1a, 64 bits: keeps long keys out of the table.
pub(super) fn hash(key: &str) -> u64 {
    key.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
