//! Nodes that are real servers of others: nginx with TLS, gRPC servers, a name server, and nodes whose
//! health changes under load.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod flips;
mod grpc;
mod names;
mod tls;
mod transcoding;
