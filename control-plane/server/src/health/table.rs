//! What the agents of this node say, in memory. Bounded per agent and over all of them.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use prost::Message;
use weir_model::Key;
use weir_proto::health::{AgentHealth, Report, UpstreamHealth};

use crate::sync::fleet::{Identity, Ticket};

/// Bytes kept of one agent.
const BYTES_OF_ONE: usize = 16 << 20;
/// Bytes kept of all agents.
const BYTES_OF_ALL: usize = 512 << 20;
/// Nodes in one answer; of agents beyond them only the number of nodes is told.
const NODES_OF_ANSWER: usize = 100_000;

/// The table.
#[derive(Debug)]
pub(crate) struct Health {
    limits: Limits,
    table: Mutex<Table>,
}

#[derive(Debug, Clone, Copy)]
struct Limits {
    one: usize,
    all: usize,
    answer: usize,
}

#[derive(Debug, Default)]
struct Table {
    /// By name and instance.
    agents: BTreeMap<(String, String), Agent>,
    bytes: usize,
}

/// What one agent process says.
#[derive(Debug)]
struct Agent {
    identity: Identity,
    ticket: Ticket,
    reported_ms: u64,
    bytes: usize,
    upstreams: BTreeMap<Key, UpstreamHealth>,
}

/// What became of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Upstreams for which there is no room.
    pub(crate) left_out: usize,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            limits: Limits {
                one: BYTES_OF_ONE,
                all: BYTES_OF_ALL,
                answer: NODES_OF_ANSWER,
            },
            table: Mutex::default(),
        }
    }
}

impl Health {
    /// Takes a report that came on the stream `ticket`.
    pub(crate) fn update(
        &self,
        of: &Identity,
        ticket: Ticket,
        report: Report,
        now_ms: u64,
    ) -> Taken {
        let mut table = self.table();
        let place = place(of);
        let known = table.agents.get(&place);
        if known.is_some_and(|agent| agent.ticket > ticket) {
            // A later stream has taken over.
            return Taken { left_out: 0 };
        }
        let before = table.agents.remove(&place);
        let mut all = table.bytes - before.as_ref().map_or(0, |agent| agent.bytes);
        let same_stream = before.filter(|agent| agent.ticket == ticket && !report.full);
        let mut agent = same_stream.unwrap_or_else(|| Agent {
            identity: of.clone(),
            ticket,
            reported_ms: now_ms,
            bytes: 0,
            upstreams: BTreeMap::new(),
        });
        agent.reported_ms = now_ms;
        for key in report.removals {
            if let Ok(key) = Key::try_from(key) {
                agent.drop(&key);
            }
        }
        let mut left_out = 0;
        for upstream in report.upstreams {
            // A kind that this release does not know cannot be asked for either.
            let key = upstream.key.clone().map(Key::try_from);
            let Some(Ok(key)) = key else { continue };
            agent.drop(&key);
            let size = upstream.encoded_len();
            let bytes = agent.bytes + size;
            if bytes > self.limits.one || all + bytes > self.limits.all {
                left_out += 1;
                continue;
            }
            agent.bytes = bytes;
            agent.upstreams.insert(key, upstream);
        }
        all += agent.bytes;
        table.bytes = all;
        table.agents.insert(place, agent);
        Taken { left_out }
    }

    /// The stream ended: nobody knows any more what that agent sees.
    pub(crate) fn forget(&self, of: &Identity, ticket: Ticket) {
        let mut table = self.table();
        let place = place(of);
        let held = table.agents.get(&place);
        if held.is_some_and(|agent| agent.ticket == ticket)
            && let Some(agent) = table.agents.remove(&place)
        {
            table.bytes -= agent.bytes;
        }
    }

    /// What agents say about one upstream, by name and instance.
    pub(crate) fn of(&self, key: &Key, node_id: u64) -> Vec<AgentHealth> {
        let table = self.table();
        let mut room = self.limits.answer;
        let told = table.agents.values().filter_map(|agent| {
            let mut upstream = agent.upstreams.get(key)?.clone();
            match room.checked_sub(upstream.nodes.len()) {
                Some(rest) => room = rest,
                None => {
                    let count = u32::try_from(upstream.nodes.len()).unwrap_or(u32::MAX);
                    upstream.left_out = upstream.left_out.saturating_add(count);
                    upstream.nodes = Vec::new();
                }
            }
            Some(AgentHealth {
                name: agent.identity.name.clone(),
                instance: agent.identity.instance.clone(),
                region: agent.identity.region.clone(),
                group: agent.identity.group.clone(),
                node_id,
                reported_ms: agent.reported_ms,
                upstream: Some(upstream),
            })
        });
        told.collect()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Agent {
    fn drop(&mut self, key: &Key) {
        if let Some(upstream) = self.upstreams.remove(key) {
            self.bytes -= upstream.encoded_len();
        }
    }
}

fn place(of: &Identity) -> (String, String) {
    (of.name.clone(), of.instance.clone())
}

/// One list out of those of several nodes. An agent that has just moved may still be known where it
/// was: what came last counts.
pub(crate) fn merge(agents: Vec<AgentHealth>) -> Vec<AgentHealth> {
    let mut newest: BTreeMap<(String, String), AgentHealth> = BTreeMap::new();
    for agent in agents {
        let place = (agent.name.clone(), agent.instance.clone());
        match newest.get(&place) {
            Some(known) if known.reported_ms >= agent.reported_ms => {}
            _ => {
                newest.insert(place, agent);
            }
        }
    }
    newest.into_values().collect()
}

#[cfg(test)]
mod tests;
