//! Following the control plane: one stream at a time, folded into a mirror, kept on disk.

pub(crate) mod backoff;
pub(crate) mod cache;
pub(crate) mod client;
pub(crate) mod endpoints;
pub(crate) mod health;
pub(crate) mod mirror;
pub(crate) mod session;
