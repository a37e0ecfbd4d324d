//! The envelope of every stored item: its kind, key, revision and document.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Raft log index of the write that produced a state. Monotonic, with gaps; 0 means "nothing yet".
pub type Revision = u64;

/// Identifier of a resource inside its kind.
///
/// For nested kinds it is a path of two parts: `USERNAME/CREDENTIAL_ID` for credentials,
/// `MANAGER/ID` for secrets, `SERVICE_ID/ID` for GraphQL cost decorations.
pub type Id = Arc<str>;

/// A collection of resources, named as APISIX names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Rules that select requests.
    Route,
    /// Settings shared by routes.
    Service,
    /// Nodes and how to balance over them.
    Upstream,
    /// A caller of the API.
    Consumer,
    /// One of the keys of a consumer.
    Credential,
    /// Plugins shared by consumers.
    ConsumerGroup,
    /// Plugins shared by routes.
    PluginConfig,
    /// Plugins for every request.
    GlobalRule,
    /// Certificates, for clients (`server`) and towards nodes (`client`).
    Ssl,
    /// Settings of a plugin as a whole.
    PluginMetadata,
    /// Rules that select L4 connections.
    StreamRoute,
    /// Protocol buffer definitions.
    Proto,
    /// Access to a secret manager.
    Secret,
    /// A service registry to discover nodes in.
    Registry,
    /// Weights for graphql-limit-count.
    GraphqlCostDecoration,
}

impl Kind {
    /// Every kind, referred-to kinds before those that refer to them.
    pub const ALL: [Kind; 15] = [
        Kind::Secret,
        Kind::Registry,
        Kind::Ssl,
        Kind::Proto,
        Kind::PluginMetadata,
        Kind::GlobalRule,
        Kind::Upstream,
        Kind::PluginConfig,
        Kind::Service,
        Kind::GraphqlCostDecoration,
        Kind::Route,
        Kind::StreamRoute,
        Kind::ConsumerGroup,
        Kind::Consumer,
        Kind::Credential,
    ];

    /// Singular name, as in schema names and error texts: `route`, `plugin_config`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Route => "route",
            Kind::Service => "service",
            Kind::Upstream => "upstream",
            Kind::Consumer => "consumer",
            Kind::Credential => "credential",
            Kind::ConsumerGroup => "consumer_group",
            Kind::PluginConfig => "plugin_config",
            Kind::GlobalRule => "global_rule",
            Kind::Ssl => "ssl",
            Kind::PluginMetadata => "plugin_metadata",
            Kind::StreamRoute => "stream_route",
            Kind::Proto => "proto",
            Kind::Secret => "secret",
            Kind::Registry => "registry",
            Kind::GraphqlCostDecoration => "graphql_cost_decoration",
        }
    }

    /// Collection name, as in Admin API paths: `routes`, `plugin_configs`.
    #[must_use]
    pub const fn collection(self) -> &'static str {
        match self {
            Kind::Route => "routes",
            Kind::Service => "services",
            Kind::Upstream => "upstreams",
            Kind::Consumer => "consumers",
            Kind::Credential => "credentials",
            Kind::ConsumerGroup => "consumer_groups",
            Kind::PluginConfig => "plugin_configs",
            Kind::GlobalRule => "global_rules",
            Kind::Ssl => "ssls",
            Kind::PluginMetadata => "plugin_metadata",
            Kind::StreamRoute => "stream_routes",
            Kind::Proto => "protos",
            Kind::Secret => "secrets",
            Kind::Registry => "registries",
            Kind::GraphqlCostDecoration => "graphql_cost_decorations",
        }
    }

    /// Finds a kind by its singular or collection name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Kind> {
        Kind::ALL
            .into_iter()
            .find(|kind| kind.name() == text || kind.collection() == text)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Names one resource. Prints as `routes/42`; a credential as `credentials/jack/c1`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// The collection.
    pub kind: Kind,
    /// The identifier inside it.
    pub id: Id,
}

impl Key {
    /// Builds a key; the id is taken as it is.
    pub fn new(kind: Kind, id: impl Into<Id>) -> Self {
        Self {
            kind,
            id: id.into(),
        }
    }

    /// The `key` text of Admin API answers: `/apisix/routes/1`,
    /// `/apisix/consumers/jack/credentials/c1`.
    #[must_use]
    pub fn admin_path(&self) -> String {
        match (self.kind, self.id.split_once('/')) {
            (Kind::Credential, Some((consumer, id))) => {
                format!("/apisix/consumers/{consumer}/credentials/{id}")
            }
            (Kind::GraphqlCostDecoration, Some((service, id))) => {
                format!("/apisix/services/{service}/graphql_cost_decorations/{id}")
            }
            _ => format!("/apisix/{}/{}", self.kind.collection(), self.id),
        }
    }

    /// The last part of the id: what the document itself carries as `id`.
    #[must_use]
    pub fn leaf(&self) -> &str {
        self.id.rsplit_once('/').map_or(&*self.id, |(_, leaf)| leaf)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.collection(), self.id)
    }
}

/// A text that is not `COLLECTION/ID`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected COLLECTION/ID such as routes/42, got {0:?}")]
pub struct ParseKeyError(String);

impl FromStr for Key {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = text
            .split_once('/')
            .filter(|(_, id)| !id.is_empty())
            .and_then(|(kind, id)| Some(Key::new(Kind::parse(kind)?, id)));
        parsed.ok_or_else(|| ParseKeyError(text.to_owned()))
    }
}

/// Any stored item.
///
/// `spec` is the document as the operator wrote it: no defaults filled in, without `create_time`
/// and `update_time` (they are in the envelope). It carries `id` (or `username`) only as sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resource {
    /// Which resource this is.
    pub key: Key,
    /// The document.
    pub spec: Arc<Value>,
    /// Revision that created it.
    pub created: Revision,
    /// Revision that last changed it.
    pub modified: Revision,
    /// Seconds since the epoch, when it was created.
    pub create_time: u64,
    /// Seconds since the epoch, when it was last changed.
    pub update_time: u64,
    /// Milliseconds since the epoch after which it disappears (`ttl` of the Admin API).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at_ms: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_print_and_parse() {
        for text in ["routes/42", "credentials/jack/c1", "secrets/vault/1"] {
            let key: Key = text.parse().unwrap();
            assert_eq!(key.to_string(), text);
        }
        assert_eq!("route/42".parse::<Key>().unwrap().to_string(), "routes/42");
        for text in ["", "routes", "routes/", "elephants/1"] {
            assert!(text.parse::<Key>().is_err(), "{text}");
        }
    }

    #[test]
    fn paths_of_nested_kinds_name_their_owner() {
        let path = |text: &str| text.parse::<Key>().unwrap().admin_path();
        assert_eq!(path("routes/1"), "/apisix/routes/1");
        assert_eq!(
            path("credentials/jack/c1"),
            "/apisix/consumers/jack/credentials/c1"
        );
        assert_eq!(path("secrets/vault/1"), "/apisix/secrets/vault/1");
        assert_eq!(
            path("graphql_cost_decorations/s/1"),
            "/apisix/services/s/graphql_cost_decorations/1"
        );
    }

    #[test]
    fn every_kind_is_found_by_both_names() {
        for kind in Kind::ALL {
            assert_eq!(Kind::parse(kind.name()), Some(kind));
            assert_eq!(Kind::parse(kind.collection()), Some(kind));
        }
        assert_eq!(Kind::parse("elephant"), None);
    }
}
