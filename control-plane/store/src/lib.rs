//! The replicated state machine as pure functions: [`apply`] takes a state and a command and
//! returns the next state and an outcome. Time and ids come in with the command; the revision is
//! the Raft log index.

pub mod apply;
pub mod changes;
pub mod check;
pub mod command;
pub mod delta;
pub mod snapshot;
pub mod state;

pub use apply::apply;
pub use command::{
    Change, Changed, Command, Effect, Operation, Outcome, Precondition, Refusal, Target,
};
pub use delta::delta;
pub use state::State;
