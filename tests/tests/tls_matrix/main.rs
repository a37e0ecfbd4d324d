//! TLS towards clients: names, chains, versions, protocols and client certificates as a table, by
//! openssl against the built binary; what is refused at the write; resumption; live replacement.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "test code"
)]

mod client;
mod flood;
mod matrix;
mod mint;
mod refused;
mod replacing;
mod resuming;
mod setup;
mod stapling;
