//! Resource types, defaults, validation and references: the one description of configuration that
//! the control plane, the agents, the CLI and the tests share.
//!
//! This crate does no I/O and reads no clock. It knows nothing of Raft, HTTP or any plugin; the
//! plugin table is handed in as a [`PluginCatalog`].

pub mod alias;
pub mod catalog;
pub mod consumer;
pub mod consumer_group;
pub mod credential;
mod document;
pub mod endpoint;
pub mod field;
pub mod global_rule;
pub mod graphql_cost_decoration;
pub mod plugin;
pub mod plugin_config;
pub mod plugin_metadata;
pub mod proto_file;
pub mod references;
pub mod registry;
pub mod resource;
pub mod route;
pub mod schema;
pub mod secret;
pub mod service;
pub mod set;
pub mod ssl;
pub mod stream_route;
pub mod upstream;
pub mod validate;

pub use catalog::{NoPlugins, PluginCatalog, PluginPart, PluginSchemas};
pub use resource::{Id, Key, Kind, ParseKeyError, Resource, Revision};
pub use set::{ContentHash, Delta, ResourceSet};
pub use validate::{Problem, UnknownField, Validation, validate};
