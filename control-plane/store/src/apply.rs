//! The one function that changes state.

use std::collections::BTreeMap;
use std::sync::Arc;

use weir_model::{Key, Kind, Resource, Revision};

use crate::changes::ChangeRecord;
use crate::check::{Touched, check};
use crate::command::{
    Change, Changed, Command, Effect, Operation, Outcome, Precondition, Refusal, Target,
};
use crate::state::State;
use crate::tickets::{self, TicketSecret};

/// Author of changes that nobody asked for.
const SYSTEM: &str = "weir";

/// Applies the command of log entry `index`. Deterministic; never panics; a refused command leaves
/// the resources as they are.
pub fn apply(state: &mut State, index: Revision, command: Command) -> Outcome {
    match command {
        Command::Bootstrap { cluster_id } => {
            if state.cluster_id.is_empty() && !cluster_id.is_empty() {
                state.cluster_id = cluster_id;
                state.set.revision = index;
            }
            done(state, Vec::new())
        }
        Command::Write {
            changes,
            at_ms,
            author,
            message,
        } => {
            // Cheap, since it shares structure; and a refused write is simply dropped.
            let mut draft = Draft::new(state.clone(), index, at_ms);
            match draft.write(changes) {
                Ok(changed) => {
                    *state = draft.commit(author, message);
                    done(state, changed)
                }
                Err(refusal) => Outcome::Refused {
                    revision: state.set.revision,
                    refusal,
                },
            }
        }
        Command::RotateTickets {
            secret,
            replaces,
            at_ms,
        } => {
            let new = TicketSecret {
                made: index,
                at_ms,
                secret,
            };
            state.tickets = tickets::rotate(&state.tickets, replaces, new);
            done(state, Vec::new())
        }
        Command::Expire { at_ms } => {
            let expired = state.index.expired(at_ms);
            let mut draft = Draft::new(state.clone(), index, at_ms);
            let changed = expired
                .into_iter()
                .filter(|key| draft.delete(key))
                .map(deleted)
                .collect();
            *state = draft.commit(SYSTEM.to_owned(), "expired".to_owned());
            done(state, changed)
        }
    }
}

fn done(state: &State, changed: Vec<Changed>) -> Outcome {
    Outcome::Done {
        revision: state.set.revision,
        changed,
    }
}

fn deleted(key: Key) -> Changed {
    Changed {
        key,
        effect: Effect::Deleted,
        resource: None,
    }
}

/// The state that a command is making.
struct Draft {
    state: State,
    index: Revision,
    at_ms: u64,
    /// What was touched: `true` for what is there now.
    touched: BTreeMap<Key, bool>,
}

impl Draft {
    fn new(state: State, index: Revision, at_ms: u64) -> Self {
        Self {
            state,
            index,
            at_ms,
            touched: BTreeMap::new(),
        }
    }

    /// Makes all changes in order, then checks what came out.
    fn write(&mut self, changes: Vec<Change>) -> Result<Vec<Changed>, Refusal> {
        let mut touched = Vec::with_capacity(changes.len());
        let mut changed = Vec::with_capacity(changes.len());
        for (position, change) in changes.into_iter().enumerate() {
            let key = match change.target {
                Target::Key(key) => key,
                Target::New(kind) => self.new_key(kind),
            };
            self.check_precondition(position, &key, change.precondition)?;
            match change.operation {
                Operation::Put {
                    spec,
                    expires_at_ms,
                } => {
                    changed.push(self.put(&key, spec, expires_at_ms));
                    touched.push((key, Touched::Put));
                }
                Operation::Delete { force } => {
                    // A credential may have gone with its consumer a moment ago.
                    if !self.delete(&key) && !self.touched.contains_key(&key) {
                        return Err(Refusal::NotFound {
                            change: position,
                            key,
                        });
                    }
                    changed.push(deleted(key.clone()));
                    touched.push((key, Touched::Deleted { force }));
                }
            }
        }
        check(&self.state, &touched)?;
        Ok(changed)
    }

    /// 20 digits, growing: the log index, or the next number that was not given yet.
    fn new_key(&mut self, kind: Kind) -> Key {
        let mut number = self.state.last_id.saturating_add(1).max(self.index);
        loop {
            let key = Key::new(kind, format!("{number:020}"));
            if self.state.set.get(&key).is_none() || number == u64::MAX {
                self.state.last_id = number;
                return key;
            }
            number += 1;
        }
    }

    fn check_precondition(
        &self,
        change: usize,
        key: &Key,
        precondition: Precondition,
    ) -> Result<(), Refusal> {
        let modified = self.state.set.get(key).map(|resource| resource.modified);
        let holds = match precondition {
            Precondition::None => true,
            Precondition::Absent => modified.is_none(),
            Precondition::Present => modified.is_some(),
            Precondition::Modified(revision) => modified == Some(revision),
        };
        if holds {
            return Ok(());
        }
        Err(Refusal::Precondition {
            change,
            key: key.clone(),
            modified,
        })
    }

    fn put(
        &mut self,
        key: &Key,
        spec: Arc<serde_json::Value>,
        expires_at_ms: Option<u64>,
    ) -> Changed {
        let now = self.at_ms / 1000;
        let before = self.state.set.get(key).cloned();
        let resource = Arc::new(Resource {
            key: key.clone(),
            spec,
            created: before.as_ref().map_or(self.index, |old| old.created),
            modified: self.index,
            create_time: before.as_ref().map_or(now, |old| old.create_time),
            update_time: now,
            expires_at_ms,
        });
        if let Some(old) = &before {
            self.state.index.remove(old);
        }
        self.state.index.insert(&resource);
        self.state
            .set
            .resources
            .insert(key.clone(), Arc::clone(&resource));
        self.touched.insert(key.clone(), true);
        Changed {
            key: key.clone(),
            effect: match before {
                Some(_) => Effect::Changed,
                None => Effect::Created,
            },
            resource: Some(resource),
        }
    }

    /// Removes a resource and what cannot be without it; false when it is not there.
    fn delete(&mut self, key: &Key) -> bool {
        let Some(old) = self.state.set.resources.remove(key) else {
            return false;
        };
        self.state.index.remove(&old);
        self.touched.insert(key.clone(), false);
        if key.kind == Kind::Consumer {
            let prefix = format!("{}/", key.id);
            let credentials: Vec<Key> = self
                .state
                .set
                .resources
                .range(Key::new(Kind::Credential, prefix.as_str())..)
                .map(|(key, _)| key)
                .take_while(|key| key.kind == Kind::Credential && key.id.starts_with(&prefix))
                .cloned()
                .collect();
            for credential in &credentials {
                self.delete(credential);
            }
        }
        true
    }

    /// The finished state: with a new revision and a record, when something was touched.
    fn commit(mut self, author: String, message: String) -> State {
        if self.touched.is_empty() {
            return self.state;
        }
        let (upserts, removals): (Vec<_>, Vec<_>) =
            self.touched.into_iter().partition(|(_, there)| *there);
        let keys = |touched: Vec<(Key, bool)>| touched.into_iter().map(|(key, _)| key).collect();
        self.state.set.revision = self.index;
        self.state.changes.push(ChangeRecord {
            revision: self.index,
            at_ms: self.at_ms,
            author,
            message,
            upserts: keys(upserts),
            removals: keys(removals),
        });
        self.state
    }
}
