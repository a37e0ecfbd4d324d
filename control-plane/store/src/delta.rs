//! What an agent that has one revision needs to have the newest.

use std::collections::BTreeSet;

use weir_model::{Delta, Key, Revision};

use crate::state::State;

/// The changes from `from` to the state's revision, several change sets folded into one; a full set
/// when `from` is 0 (nothing yet), when the change log does not reach back that far, or when `from`
/// is newer than the state.
#[must_use]
pub fn delta(state: &State, from: Revision) -> Delta {
    if from == 0 || from > state.set.revision {
        return state.set.to_full_delta();
    }
    let Some(records) = state.changes.newest_after(from) else {
        return state.set.to_full_delta();
    };
    let mut touched: BTreeSet<&Key> = BTreeSet::new();
    for record in records {
        touched.extend(&record.upserts);
        touched.extend(&record.removals);
    }
    let mut delta = Delta {
        revision: state.set.revision,
        ..Delta::default()
    };
    // What a key is now decides, not what the records say: it may have come and gone in between.
    for key in touched {
        match state.set.get(key) {
            Some(resource) => delta.upserts.push(resource.clone()),
            None => delta.removals.push(key.clone()),
        }
    }
    delta
}
