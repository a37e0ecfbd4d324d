//! Many changes as one revision: what the request says, what of it is new, and the write.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;
use tonic::Status;
use weir_model::{Key, Problem, Resource, Revision};
use weir_proto::control::change::Operation as WireOperation;
use weir_proto::control::precondition::Condition;
use weir_proto::control::{Applied, ApplyRequest, ApplyResponse, Change, Effect};
use weir_proto::convert;
use weir_store::changes::changes_since;
use weir_store::{Precondition, State, Target};

use super::access::Caller;
use super::control::malformed;
use super::error::{self, Wrong};
use crate::write::{self, Action, Intent, Request, Written};
use crate::{Shared, aside};

/// Largest document, as in the REST Admin API.
const MAX_DOCUMENT: usize = 1_572_864;
/// Longest author and message, in bytes.
const MAX_AUTHOR: usize = 256;
const MAX_MESSAGE: usize = 4096;

/// Serves one Apply.
///
/// Documents that are there already, as they are, are not written again. They are compared with a
/// linearizable read before the write, and are not locked meanwhile.
pub(super) async fn run(
    shared: &Shared,
    caller: &Caller,
    request: ApplyRequest,
) -> Result<ApplyResponse, Status> {
    let author = match request.author.as_str() {
        "" => caller.role.as_str().to_owned(),
        author => author.to_owned(),
    };
    bounded("author", &author, MAX_AUTHOR)?;
    bounded("message", &request.message, MAX_MESSAGE)?;
    let now_ms = Shared::now_ms();
    let (changes, since) = (request.changes, request.unchanged_since);
    let many = changes.len();
    let ending = || Status::unavailable("this node is shutting down");
    let intents = aside::run(many, move || intents(changes, now_ms))
        .await
        .ok_or_else(ending)??;
    let state = shared
        .raft
        .read()
        .await
        .map_err(|error| error::of_read(&error))?;
    let read = Arc::clone(&state);
    let plan = aside::run(many, move || plan(&read, intents, since))
        .await
        .ok_or_else(ending)?
        .map_err(|problems| error::conflict(&problems, state.set.revision))?;
    let written = if plan.intents.is_empty() {
        Written {
            revision: state.set.revision,
            changed: Vec::new(),
            warnings: Vec::new(),
        }
    } else {
        let request = Request {
            intents: plan.intents,
            allow_unknown: request.allow_unknown,
            dry_run: request.dry_run,
            author,
            message: request.message,
            now_ms,
        };
        write::write(shared, request)
            .await
            .map_err(error::of_write)?
    };
    Ok(answer(&plan.keys, written, request.dry_run))
}

fn bounded(field: &str, text: &str, max: usize) -> Result<(), Status> {
    if text.len() > max {
        return Err(Status::invalid_argument(format!(
            "{field}: expected at most {max} bytes, got {}",
            text.len()
        )));
    }
    Ok(())
}

/// One change with its key.
#[derive(Debug)]
struct Wanted {
    key: Key,
    action: Action,
    precondition: Precondition,
}

/// Reads all changes; all problems at once.
fn intents(changes: Vec<Change>, now_ms: u64) -> Result<Vec<Wanted>, Status> {
    let mut problems: Vec<Wrong> = Vec::new();
    let mut seen = BTreeSet::new();
    let mut wanted = Vec::with_capacity(changes.len());
    for change in changes {
        let key = change.key.ok_or(convert::Error::Missing("change.key"));
        let key = key
            .and_then(Key::try_from)
            .map_err(|error| malformed(&error))?;
        if !seen.insert(key.clone()) {
            problems.push((Some(key.clone()), Problem::new("", "given twice")));
        }
        let precondition = match change.precondition.and_then(|only| only.condition) {
            None => Precondition::None,
            Some(Condition::Absent(true)) => Precondition::Absent,
            Some(Condition::Absent(false)) => Precondition::Present,
            Some(Condition::Modified(revision)) => Precondition::Modified(revision),
        };
        let action = match change.operation {
            Some(WireOperation::Put(document)) => match document_of(&key, &document) {
                Ok(spec) => Action::Put {
                    spec,
                    expires_at_ms: (change.ttl_seconds != 0)
                        .then(|| now_ms.saturating_add(change.ttl_seconds.saturating_mul(1000))),
                },
                Err(problem) => {
                    problems.push((Some(key), problem));
                    continue;
                }
            },
            Some(WireOperation::Delete(_)) => Action::Delete {
                force: change.force,
            },
            None => return Err(malformed(&convert::Error::Missing("change.operation"))),
        };
        wanted.push(Wanted {
            key,
            action,
            precondition,
        });
    }
    if problems.is_empty() {
        Ok(wanted)
    } else {
        Err(error::invalid(&problems, 0))
    }
}

/// Reads one document.
fn document_of(key: &Key, bytes: &[u8]) -> Result<Value, Problem> {
    if bytes.len() > MAX_DOCUMENT {
        let message = format!("larger than {MAX_DOCUMENT} bytes: {}", bytes.len());
        return Err(Problem::new("", message));
    }
    let document: Value = serde_json::from_slice(bytes)
        .map_err(|error| Problem::new("", format!("not JSON: {error}")))?;
    if !document.is_object() {
        return Err(Problem::new("", "expected an object"));
    }
    match document.get("id").map(|id| (id, own_id(id))) {
        Some((_, Some(id))) if id == key.leaf() => Ok(document),
        Some((id, _)) => Err(Problem::new(
            "id",
            format!("expected {:?} as in the key, got {id}", key.leaf()),
        )),
        None => Ok(document),
    }
}

/// An `id` as text.
fn own_id(id: &Value) -> Option<String> {
    match id {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// What is to be written, and what every change named.
struct Plan {
    intents: Vec<Intent>,
    /// Each change in order, and whether it is written.
    keys: Vec<(Key, bool)>,
}

/// Leaves out what is there already; refuses what was changed after `unchanged_since` (0: no
/// check) and guards the rest against changes from now on.
fn plan(state: &State, wanted: Vec<Wanted>, unchanged_since: Revision) -> Result<Plan, Vec<Wrong>> {
    let mut plan = Plan {
        intents: Vec::new(),
        keys: Vec::new(),
    };
    let mut problems = Vec::new();
    let removed = removed_after(state, unchanged_since);
    for Wanted {
        key,
        action,
        mut precondition,
    } in wanted
    {
        let present = state.set.get(&key);
        if unchanged_since != 0 {
            match changed_after(present, &removed, &key, unchanged_since) {
                Some(problem) => problems.push((Some(key.clone()), problem)),
                None if precondition == Precondition::None => {
                    precondition = present.map_or(Precondition::Absent, |resource| {
                        Precondition::Modified(resource.modified)
                    });
                }
                None => {}
            }
        }
        let guarded = !matches!(precondition, Precondition::None) && unchanged_since == 0;
        let same = match (&action, present) {
            (
                Action::Put {
                    spec,
                    expires_at_ms: None,
                },
                Some(present),
            ) => !guarded && present.expires_at_ms.is_none() && equal(&key, spec, &present.spec),
            _ => false,
        };
        if !same {
            plan.intents.push(Intent {
                target: Target::Key(key.clone()),
                action,
                precondition,
            });
        }
        plan.keys.push((key, !same));
    }
    if problems.is_empty() {
        Ok(plan)
    } else {
        Err(problems)
    }
}

/// Keys that were removed after a revision, as far as the change log knows.
fn removed_after(state: &State, since: Revision) -> BTreeSet<Key> {
    if since == 0 {
        return BTreeSet::new();
    }
    changes_since(state, since)
        .unwrap_or_default()
        .into_iter()
        .flat_map(|record| record.removals)
        .collect()
}

fn changed_after(
    present: Option<&Arc<Resource>>,
    removed: &BTreeSet<Key>,
    key: &Key,
    since: Revision,
) -> Option<Problem> {
    match present {
        Some(resource) if resource.modified > since => Some(Problem::new(
            "",
            format!(
                "was changed at revision {}, after {since}",
                resource.modified
            ),
        )),
        None if removed.contains(key) => Some(Problem::new(
            "",
            format!("was deleted after revision {since}"),
        )),
        _ => None,
    }
}

/// Whether two documents of `key` say the same; an `id` only repeats the key.
fn equal(key: &Key, a: &Value, b: &Value) -> bool {
    let (Value::Object(a), Value::Object(b)) = (a, b) else {
        return a == b;
    };
    let repeats = |name: &str, value: &Value| {
        name == "id" && own_id(value).is_some_and(|id| id == key.leaf())
    };
    let own = |fields: &serde_json::Map<String, Value>| {
        fields
            .iter()
            .filter(|(name, value)| !repeats(name, value))
            .count()
    };
    own(a) == own(b)
        && a.iter()
            .filter(|(name, value)| !repeats(name, value))
            .all(|(name, value)| b.get(name) == Some(value))
}

/// The answer, in the order of the request.
fn answer(keys: &[(Key, bool)], written: Written, dry_run: bool) -> ApplyResponse {
    let mut changed = written.changed.into_iter();
    let applied = keys
        .iter()
        .map(|(key, is_written)| {
            let effect = match is_written.then(|| changed.next()).flatten() {
                None => Effect::Unchanged,
                Some(change) => match change.effect {
                    weir_store::Effect::Created => Effect::Created,
                    weir_store::Effect::Changed => Effect::Changed,
                    weir_store::Effect::Deleted => Effect::Deleted,
                },
            };
            Applied {
                key: Some(key.into()),
                effect: effect.into(),
            }
        })
        .collect();
    let warnings = written
        .warnings
        .iter()
        .map(|warning| convert::resource::problem(warning.key.as_ref(), &warning.problem))
        .collect();
    ApplyResponse {
        revision: if dry_run { 0 } else { written.revision },
        applied,
        warnings,
    }
}

#[cfg(test)]
mod tests;
