//! What a client sees of the data plane: matching, forwarding, limits of time, status codes, TLS,
//! drain.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod connections;
mod requests;
mod setup;
mod websocket;
