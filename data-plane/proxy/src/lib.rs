//! Runtime, router, upstreams, HTTP and TLS of the data plane.
//!
//! One worker per core, each with its own listener, timers, buffers and connection pools; requests
//! read one immutable runtime from beginning to end. See the README of this crate for the picture.

pub mod admission;
pub mod chain;
pub mod error;
pub mod gateway;
pub mod h1;
pub mod http;
pub mod origin;
pub mod proxy_protocol;
pub mod respond;
pub mod router;
pub mod runtime;
pub mod stream;
pub mod telemetry;
pub mod tls;
pub mod upstream;
pub mod worker;
