//! Streams to agents.

pub mod fleet;
