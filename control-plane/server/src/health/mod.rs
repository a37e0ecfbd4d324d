//! Health of nodes as the fleet reports it.
//!
//! ```text
//! agents ─▶ sync session ─▶ table (this node's agents, in memory, until their stream ends)
//!                             │ of(key)
//!           rpc::health ◀─────┴──── the same of the other members
//!             │  carrier: which resource carries the upstream of a route or service
//!             └▶ JSON of the Admin API: weir_proto::convert::health
//! ```
//!
//! Not in Raft: it changes too often, and who needs it can ask those who know.

mod carrier;
mod table;

pub(crate) use carrier::{Carrier, carrier};
pub(crate) use table::{Health, merge};
