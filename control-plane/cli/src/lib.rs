//! The command line of the control plane: every `weir` command that talks to control nodes.
//!
//! The binary flattens [`Command`] into its own top-level command and hands the parsed value to
//! [`run`]. Data goes to stdout, talk to stderr; what a command returns is its exit code, see
//! [`exit::Code`].

pub mod app;
mod commands;
mod confirm;
mod connection;
pub mod documents;
pub mod exit;
mod output;
mod progress;

pub use app::{Command, EXIT_CODES, Offline, run};
