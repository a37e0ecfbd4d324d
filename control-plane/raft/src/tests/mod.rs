//! Several nodes in one process, over loopback.

mod cluster;
mod failover;
mod harness;
mod isolation;
mod membership;
mod recovery;
