//! Streams on the built binary, with real servers and clients of others: nginx, redis, BIND, openssl,
//! dig.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod bench;
mod lasting;
mod names;
mod nodes;
mod plugins;
mod tls;
mod writing;
