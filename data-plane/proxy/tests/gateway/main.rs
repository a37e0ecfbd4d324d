//! The gateway with real sockets: raw clients on one side, raw nodes on the other.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    missing_docs,
    reason = "test code"
)]

mod admission;
mod authority;
mod bodies;
mod client;
mod client_certificates;
mod connecting;
mod dns;
mod failures;
mod h2_clients;
mod h2_node;
mod handshakes;
mod headers;
mod health;
mod hedging;
mod http1;
mod http2;
mod lifecycle;
mod limits;
mod loading;
mod log;
mod node_tls;
mod origin;
mod plugins;
mod protocols;
mod relayed;
mod replaying;
mod retrying;
mod setup;
mod streams;
mod upgrades;
mod variables;
