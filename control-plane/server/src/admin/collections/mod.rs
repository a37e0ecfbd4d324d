//! One file per collection: what is particular about it.

pub(super) mod consumer_groups;
pub(super) mod consumers;
pub(super) mod credentials;
pub(super) mod global_rules;
pub(super) mod graphql_cost_decorations;
pub(super) mod plugin_configs;
pub(super) mod plugin_metadata;
pub(super) mod protos;
pub(super) mod registries;
pub(super) mod routes;
pub(super) mod secrets;
pub(super) mod services;
pub(super) mod ssls;
pub(super) mod stream_routes;
pub(super) mod upstreams;
