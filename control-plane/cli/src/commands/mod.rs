//! One file a command: its options with the help text, and `run`.

pub(crate) mod agents;
pub(crate) mod apply;
pub(crate) mod cluster;
pub(crate) mod completions;
pub(crate) mod delete;
pub(crate) mod diff;
pub(crate) mod discovery;
pub(crate) mod export;
pub(crate) mod get;
pub(crate) mod health;
pub(crate) mod import;
mod listing;
pub(crate) mod route;
mod summary;
pub(crate) mod validate;
pub(crate) mod watch;
mod write;
