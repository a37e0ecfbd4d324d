//! Harness of the end-to-end tests: starts the built `weir` binary and real servers, sends real
//! requests, waits for conditions. It ends only the processes that it started.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::missing_panics_doc,
    clippy::missing_errors_doc,
    reason = "a harness fails by panicking, with the reason"
)]

pub mod address;
pub mod agent;
pub mod bench;
pub mod cli;
pub mod client;
pub mod cluster;
pub mod commands;
pub mod echo_node;
pub mod fake_control;
pub mod grpc;
pub mod grpc_node;
pub mod hostile;
pub mod load;
pub mod mmdb;
pub mod name_server;
pub mod nginx;
pub mod origin;
pub mod percentiles;
pub mod probed;
pub mod process;
pub mod redis;
pub mod registries;
pub mod slapd;
pub mod spec;
pub mod steady;
pub mod timed_origin;
pub mod vitals;
pub mod wait;

pub use agent::Agent;
pub use bench::Bench;
pub use client::{Answer, Client};
pub use cluster::{Cluster, Node};
pub use echo_node::EchoNode;
pub use load::Load;
pub use name_server::NameServer;
pub use nginx::Nginx;
pub use origin::Origin;
pub use probed::Probed;
pub use process::Process;
pub use steady::{Plan, Steady};
pub use timed_origin::TimedOrigin;
pub use vitals::Vitals;
