//! Registries, as this control node follows them.
//!
//! ```text
//! raft::Handle::watch ─▶ demand: which lookups do upstreams ask for        (demand.rs, pure)
//!                          │       and which registry does each mean       (sources.rs)
//!                          ▼
//!                        watcher, one task a lookup: weir-discovery, backoff, hold
//!                          ▼                                (watcher.rs, backoff.rs, hold/, pure)
//!                        table ─▶ offers to agent sessions, file, gRPC, metrics      (table.rs)
//! ```
//!
//! Endpoints do not go through Raft: they change often and belong to somebody else. Every control
//! node follows the registries itself; the version of a set is a hash of its content, so that two
//! nodes that see the same say the same.
//!
//! An answer that cannot be read keeps what is known, however old. Sets survive a restart in
//! `endpoints.table`.

mod backoff;
mod counters;
mod deferred;
mod demand;
mod file;
mod gauges;
mod hold;
mod record;
mod sources;
mod supervisor;
mod table;
mod watcher;

pub(crate) use counters::Counters;
pub(crate) use deferred::{ENVIRONMENT, document, managers};
pub(crate) use gauges::Gauges;
pub(crate) use supervisor::Discovery;
pub(crate) use table::{Offer, Offers, Table};
