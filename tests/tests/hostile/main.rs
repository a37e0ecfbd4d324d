//! Hostile messages against the built agent: requests over HTTP/1.1, and answers of nodes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "test code"
)]

mod bent;
mod h2_node;
mod paths;
mod requests;
mod responses;
mod setup;
