//! Limits, overload and memory of the built agent: what too many, too slow and too large clients
//! cost the good ones. The long form of each runs with `--ignored`, for `WEIR_SOAK_SECONDS`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    unreachable_pub,
    reason = "test code"
)]

mod descriptors;
mod memory;
mod overload;
mod setup;
mod slow;
