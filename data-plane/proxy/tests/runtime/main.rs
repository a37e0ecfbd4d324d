//! The compiler, the router and the balancers through their public faces: laws and tables.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "test code"
)]

mod balancing;
mod compiling;
mod distribution;
mod explaining;
mod joining;
mod matching;
mod refusing;
mod setup;
