//! Resource types, defaults, validation and references: the one description of configuration that
//! the control plane, the agents, the CLI and the tests share.
//!
//! This crate does no I/O and reads no clock. It knows nothing of Raft, HTTP or any plugin; the
//! plugin table is handed in as a [`PluginCatalog`].

pub mod catalog;
pub mod resource;
pub mod set;
pub mod validate;

pub use catalog::{PluginCatalog, PluginPart, PluginSchemas};
pub use resource::{Id, Key, Kind, ParseKeyError, Resource, Revision};
pub use set::{Delta, ResourceSet};
pub use validate::{Problem, UnknownField, Validation};
