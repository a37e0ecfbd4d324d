//! The table of every agent that this node has ever seen: who is connected, what it applied, what
//! it refused. Sessions write it; `weir agents` reads it; it is kept on disk so that a restart
//! forgets nobody. It says nothing of agents that only other nodes have seen: see [`merge`].

mod file;
mod record;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use weir_model::Revision;
use weir_proto::cluster::Agent;

use record::Record;
pub(crate) use record::{Acked, Identity};

/// Agents remembered; beyond it the disconnected one that was seen longest ago is forgotten.
const CAPACITY: usize = 20_000;
/// Between two writes of the file after something that matters.
const WRITE_EVERY: Duration = Duration::from_secs(1);
/// A mere sign of life waits this long for the next write.
const TOUCH_EVERY: Duration = Duration::from_secs(30);

/// Names one stream to the fleet: a later stream of the same agent process outdates it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

/// Agents by name and instance.
type Records = BTreeMap<(String, String), Record>;

#[derive(Default)]
struct Table {
    records: Records,
    next_ticket: u64,
    dirty: bool,
    touched: bool,
}

/// The table of agents.
pub(crate) struct Fleet {
    path: PathBuf,
    node_id: u64,
    table: Mutex<Table>,
    changed: Notify,
}

impl Fleet {
    /// Reads the table from `agents.json` in `data_dir`. A file that cannot be read as a table is
    /// put aside as `agents.json.broken`: who is connected shows up again by itself.
    ///
    /// # Errors
    /// When the file exists and cannot be opened.
    pub(crate) fn open(data_dir: &Path, node_id: u64) -> std::io::Result<Self> {
        let path = data_dir.join("agents.json");
        let records = file::load(&path)?
            .into_iter()
            .map(|record| (record.key(), record))
            .collect();
        Ok(Self {
            path,
            node_id,
            table: Mutex::new(Table {
                records,
                ..Table::default()
            }),
            changed: Notify::new(),
        })
    }

    /// Every agent, by name; `revision` is the newest one, from which lags are counted.
    #[must_use]
    pub(crate) fn list(&self, revision: Revision) -> Vec<Agent> {
        self.table()
            .records
            .values()
            .map(|record| record.to_wire(revision))
            .collect()
    }

    /// How many agents are connected to this node.
    #[must_use]
    pub(crate) fn connected(&self) -> usize {
        self.table()
            .records
            .values()
            .filter(|record| record.connected)
            .count()
    }

    /// Keeps the file up to date until `shutdown`, then writes it a last time.
    pub(crate) async fn run(&self, shutdown: CancellationToken) {
        loop {
            let stopping = tokio::select! {
                () = shutdown.cancelled() => true,
                () = self.changed.notified() => false,
                () = tokio::time::sleep(TOUCH_EVERY) => false,
            };
            self.save().await;
            if stopping {
                return;
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(WRITE_EVERY) => {}
            }
        }
    }

    /// Writes the file when something changed since the last time.
    pub(crate) async fn save(&self) {
        let records: Vec<Record> = {
            let mut table = self.table();
            if !table.dirty && !table.touched {
                return;
            }
            table.dirty = false;
            table.touched = false;
            table.records.values().cloned().collect()
        };
        let path = self.path.clone();
        let written = tokio::task::spawn_blocking(move || file::save(&path, &records)).await;
        if let Ok(Err(error)) = written {
            tracing::warn!(%error, path = %self.path.display(), "cannot write the table of agents");
            self.table().touched = true;
        }
    }

    /// A stream began. Outdates earlier streams of the same instance, and drops what is left of
    /// earlier processes of that name.
    pub(crate) fn connect(&self, identity: Identity, now_ms: u64) -> Ticket {
        let mut table = self.table();
        table.next_ticket += 1;
        let ticket = Ticket(table.next_ticket);
        let name = identity.name.clone();
        let instance = identity.instance.clone();
        let earlier = last_of(&table.records, &name);
        table.records.retain(|(other, held), record| {
            *other != name || *held == instance || record.connected
        });
        let record = Record::connected(identity, self.node_id, ticket, now_ms, earlier);
        table.records.insert(record.key(), record);
        forget_oldest(&mut table.records, CAPACITY);
        self.mark(&mut table, true);
        ticket
    }

    /// The agent acknowledged a revision.
    pub(crate) fn acknowledge(&self, of: &Identity, ticket: Ticket, acked: Acked, now_ms: u64) {
        self.update(of, ticket, true, |record| record.acknowledge(acked, now_ms));
    }

    /// The agent showed life; `content_hash` is empty when it told none.
    pub(crate) fn touch(
        &self,
        of: &Identity,
        ticket: Ticket,
        revision: Revision,
        content_hash: &str,
        now_ms: u64,
    ) {
        self.update(of, ticket, false, |record| {
            record.touch(revision, content_hash, now_ms);
        });
    }

    /// The stream ended.
    pub(crate) fn disconnect(&self, of: &Identity, ticket: Ticket, now_ms: u64) {
        self.update(of, ticket, true, |record| record.disconnect(now_ms));
        let mut table = self.table();
        let others = table.records.iter().any(|((name, instance), record)| {
            *name == of.name && *instance != of.instance && record.connected
        });
        if others {
            table
                .records
                .retain(|(name, _), record| *name != of.name || record.connected);
        }
    }

    fn update(
        &self,
        of: &Identity,
        ticket: Ticket,
        matters: bool,
        change: impl FnOnce(&mut Record),
    ) {
        let mut table = self.table();
        let key = (of.name.clone(), of.instance.clone());
        if let Some(record) = table.records.get_mut(&key)
            && record.ticket == Some(ticket)
        {
            change(record);
            self.mark(&mut table, matters);
        }
    }

    fn mark(&self, table: &mut Table, matters: bool) {
        if matters {
            table.dirty = true;
            self.changed.notify_one();
        } else {
            table.touched = true;
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The record of the process of this name that was seen last.
fn last_of(records: &Records, name: &str) -> Option<Record> {
    records
        .iter()
        .filter(|((other, _), _)| other == name)
        .map(|(_, record)| record)
        .max_by_key(|record| record.last_seen_ms)
        .cloned()
}

fn forget_oldest(records: &mut Records, capacity: usize) {
    while records.len() > capacity {
        let oldest = records
            .iter()
            .filter(|(_, record)| !record.connected)
            .min_by_key(|(_, record)| record.last_seen_ms)
            .map(|(key, _)| key.clone());
        match oldest {
            Some(key) => records.remove(&key),
            None => return,
        };
    }
}

/// One table out of those of several nodes: per agent process the connected record, else the one
/// seen last; a process that is gone is left out when another of its name is connected.
#[must_use]
pub(crate) fn merge(agents: Vec<Agent>) -> Vec<Agent> {
    let mut best: BTreeMap<(String, String), Agent> = BTreeMap::new();
    for agent in agents {
        let key = (agent.name.clone(), agent.instance.clone());
        let rank = |agent: &Agent| (agent.connected, agent.last_seen_ms);
        match best.get(&key) {
            Some(known) if rank(known) >= rank(&agent) => {}
            _ => {
                best.insert(key, agent);
            }
        }
    }
    let all: Vec<Agent> = best.into_values().collect();
    let mut kept: Vec<Agent> = Vec::with_capacity(all.len());
    for group in all.chunk_by(|a, b| a.name == b.name) {
        if group.iter().any(|agent| agent.connected) {
            kept.extend(group.iter().filter(|agent| agent.connected).cloned());
        } else {
            kept.extend(group.iter().max_by_key(|agent| agent.last_seen_ms).cloned());
        }
    }
    kept
}

#[cfg(test)]
mod tests;
