//! Health of nodes: probes and the outcome of real requests move a small state machine per address,
//! which picking reads as one atomic.
//!
//! [`state`] and `ejection` decide and know no I/O; [`target`] is the shared state of one address
//! under one set of [`rules`]; [`probe`] and `prober` ask; [`checkers`] keeps exactly the probers
//! that the newest runtime wants.

pub mod checkers;
mod ejection;
pub mod hub;
mod moment;
pub mod node;
pub mod probe;
mod prober;
pub mod rules;
pub mod state;
pub mod target;
