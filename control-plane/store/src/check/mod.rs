//! Whether resources fit each other, asked of the state that a write would make.

pub(crate) mod claim;
mod guard;
mod reference;

use std::collections::BTreeMap;

use weir_model::{Key, Kind};

use crate::command::Refusal;
use crate::state::State;

/// What a write did to one key, to be checked when all of it is done.
pub(crate) enum Touched {
    Put,
    Deleted { force: bool },
}

/// Checks the state after a write; `touched` says what it did, in order. Only what was touched is
/// looked at.
pub(crate) fn check(state: &State, touched: &[(Key, Touched)]) -> Result<(), Refusal> {
    let positions: BTreeMap<Key, usize> = touched
        .iter()
        .enumerate()
        .map(|(position, (key, _))| (key.clone(), position))
        .collect();
    for (change, (key, what)) in touched.iter().enumerate() {
        match (what, state.set.get(key)) {
            (Touched::Put, Some(resource)) => {
                if let Some(parent) = missing_parent(state, key) {
                    return Err(Refusal::MissingParent {
                        change,
                        key: key.clone(),
                        parent,
                    });
                }
                let mut problems = reference::dangling(state, key, &resource.spec);
                problems.extend(claim::conflicts(state, &positions, key, &resource.spec));
                if !problems.is_empty() {
                    return Err(Refusal::Invalid {
                        change,
                        key: key.clone(),
                        problems,
                    });
                }
            }
            (Touched::Deleted { force: false }, None) => {
                if let Some(message) = guard::in_use(state, key) {
                    return Err(Refusal::InUse {
                        change,
                        key: key.clone(),
                        message,
                    });
                }
            }
            // Put and deleted, or deleted and put, by the same write: the last one counts.
            _ => {}
        }
    }
    Ok(())
}

/// The consumer of a credential, when it does not exist.
fn missing_parent(state: &State, key: &Key) -> Option<Key> {
    if key.kind != Kind::Credential {
        return None;
    }
    let consumer = key
        .id
        .split_once('/')
        .map_or(&*key.id, |(consumer, _)| consumer);
    let parent = Key::new(Kind::Consumer, consumer);
    state.set.get(&parent).is_none().then_some(parent)
}
