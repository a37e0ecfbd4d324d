//! Consensus: proposes commands, applies them on every member, and tells readers what is
//! committed. All of openraft is confined to this crate; the rest of Weir sees [`Handle`].

mod contact;
pub mod error;
pub mod handle;
mod identity;
mod log_store;
mod membership;
pub mod metrics;
mod network;
mod node;
pub mod options;
mod read;
mod snapshot_file;
mod start;
mod state_machine;
pub mod status;
#[cfg(test)]
mod tests;
mod types;
mod watchdog;
mod write;

pub use error::{MembershipError, ReadError, WriteError};
pub use handle::Handle;
pub use metrics::MetricsSnapshot;
pub use options::{Options, Start, Timing};
pub use status::{Member, Role, Status};
