//! The compiler, the router and the balancers through their public faces: laws and tables.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod balancing;
mod compiling;
mod explaining;
mod joining;
mod matching;
mod setup;
