//! Nobody notices: changes of configuration under load, drain, takeover by a new process, restarts
//! behind a ready check. The long forms are the ignored tests `soak_*`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod changes;
mod control;
mod drain;
mod leaks;
mod readiness;
mod setup;
mod takeover;
