//! The replicated state machine as pure functions: [`apply()`] takes a state and a command and
//! returns the next state and an outcome. Time and ids come in with the command; the revision is
//! the Raft log index.

pub mod apply;
pub mod changes;
mod check;
pub mod command;
pub mod delta;
mod index;
pub mod snapshot;
pub mod state;
#[cfg(test)]
mod tests;
pub mod tickets;

pub use apply::apply;
pub use changes::{ChangeLog, ChangeRecord, changes_since};
pub use command::{
    Change, Changed, Command, Effect, Operation, Outcome, Precondition, Refusal, Target,
};
pub use delta::delta;
pub use snapshot::{DecodeError, decode, encode};
pub use state::{State, state_hash};
pub use tickets::{Secret, TicketSecret, TicketSecrets};
