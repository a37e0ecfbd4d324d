//! Wire contracts: generated messages and services, and their conversions to domain types.
//!
//! Only [`convert`] sees both worlds; other crates use the service traits and clients here and
//! domain types everywhere else.

pub mod convert;

#[allow(
    missing_docs,
    unreachable_pub,
    rustdoc::all,
    clippy::all,
    clippy::pedantic,
    clippy::nursery,
    clippy::restriction,
    reason = "generated code"
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/weir.rs"));
}

pub use generated::weir::cluster::v1 as cluster;
pub use generated::weir::control::v1 as control;
pub use generated::weir::discovery::v1 as discovery;
pub use generated::weir::health::v1 as health;
pub use generated::weir::raft::v1 as raft;
pub use generated::weir::resource::v1 as resource;
pub use generated::weir::sync::v1 as sync;

impl std::fmt::Debug for sync::TicketSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TicketSecret")
            .field("since", &self.since)
            .finish_non_exhaustive()
    }
}

/// Encoded `FileDescriptorSet` of all packages, for server reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
