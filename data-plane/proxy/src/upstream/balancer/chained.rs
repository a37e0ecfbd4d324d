//! Chained round robin (extensions.md): the first request of a session takes the next node by
//! round robin, later ones stay on it. When the node fails, the session keeps to it for up to
//! `max_retry_times` consecutive failures or `retry_timeout` since the first of them, then moves on
//! to the next node of the chain.

use std::sync::{Mutex, PoisonError};

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
    failures: u32,
    failing_since_ms: u64,
    /// Whether the last request took the node without coming back.
    clean: bool,
}

/// State of one group of nodes, shared by all workers.
#[derive(Debug)]
pub(super) struct Chained {
    key: HashKey,
    conf: ChainedRoundRobin,
    turn: RoundRobin,
    slots: usize,
    sessions: Mutex<Sessions<Session>>,
}

impl Chained {
    pub(super) fn new(weights: &[u32], key: HashKey, conf: ChainedRoundRobin) -> Self {
        Self {
            key,
            conf,
            turn: RoundRobin::new(weights),
            slots: weights.len(),
            sessions: Mutex::new(Sessions::new(MAX_SESSIONS)),
        }
    }

    pub(super) fn key(&self) -> &HashKey {
        &self.key
    }

    /// The node of the session. That a request comes back with tried nodes says that the
    /// session's node failed.
    pub(super) fn pick(&self, key: &str, choice: &Choice<'_>, members: &[usize]) -> Option<usize> {
        let free = |slot: usize| {
            members
                .get(slot)
                .copied()
                .filter(|member| choice.may(*member))
                .is_some()
        };
        let hash = hash(key);
        let limit = u64::try_from(self.conf.retry_timeout.as_millis()).unwrap_or(u64::MAX);
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(session) = sessions.get(hash)
            && choice.now_ms.saturating_sub(session.used_ms) <= limit
        {
            session.used_ms = choice.now_ms;
            if choice.tried.is_empty() {
                // The request before did not come back: its node answered.
                if session.clean {
                    session.failures = 0;
                }
                session.clean = true;
                return members.get(session.slot).copied();
            }
            session.clean = false;
            if session.failures == 0 {
                session.failing_since_ms = choice.now_ms;
            }
            session.failures += 1;
            let waited = choice.now_ms.saturating_sub(session.failing_since_ms);
            if session.failures > self.conf.max_retry_times || waited > limit {
                let moved = (1..=self.slots).map(|step| (session.slot + step) % self.slots);
                if let Some(slot) = moved.into_iter().find(|slot| free(*slot)) {
                    session.slot = slot;
                    session.failures = 0;
                }
            }
            // This request still gets another node, whether or not the session moves.
            let next = (0..self.slots).map(|step| (session.slot + step) % self.slots);
            return next
                .into_iter()
                .find(|slot| free(*slot))
                .and_then(|s| members.get(s).copied());
        }
        let slot = self.turn.next(free)?;
        let fresh = Session {
            slot,
            used_ms: choice.now_ms,
            failures: 0,
            failing_since_ms: 0,
            clean: choice.tried.is_empty(),
        };
        sessions.put(hash, fresh);
        members.get(slot).copied()
    }
}

/// FNV-1a, 64 bits: keeps long keys out of the table.
fn hash(key: &str) -> u64 {
    key.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
