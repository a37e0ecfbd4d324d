//! Several nodes in one process, over loopback.

mod cluster;
mod failover;
mod harness;
mod membership;
mod recovery;
