//! What is particular about each collection: the rest is [`super::crud`].

use http::Method;
use weir_model::Kind;

use super::collections as kinds;
use super::error::Error;

/// Where the id of a resource comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IdSource {
    /// Path or `id` of the document.
    Id,
    /// Path or `username` of the document.
    Username,
    /// Path; it must be the name of a plugin.
    PluginName,
}

/// One collection of the Admin API.
#[derive(Debug, PartialEq)]
pub(super) struct Collection {
    /// What it holds.
    pub(super) kind: Kind,
    /// The kind's name in error texts.
    pub(super) label: &'static str,
    /// Whether POST makes new ones.
    pub(super) post: bool,
    /// Whether PATCH changes them.
    pub(super) patch: bool,
    /// Where ids come from.
    pub(super) id_source: IdSource,
    /// Fields that are never returned.
    pub(super) hidden: &'static [&'static str],
}

impl Collection {
    /// A collection that allows everything; the others differ from it.
    pub(super) const fn plain(kind: Kind, label: &'static str) -> Self {
        Self {
            kind,
            label,
            post: true,
            patch: true,
            id_source: IdSource::Id,
            hidden: &[],
        }
    }

    /// The collection of a kind.
    pub(super) fn of(kind: Kind) -> &'static Self {
        match kind {
            Kind::Route => &kinds::routes::COLLECTION,
            Kind::Service => &kinds::services::COLLECTION,
            Kind::Upstream => &kinds::upstreams::COLLECTION,
            Kind::Consumer => &kinds::consumers::COLLECTION,
            Kind::Credential => &kinds::credentials::COLLECTION,
            Kind::ConsumerGroup => &kinds::consumer_groups::COLLECTION,
            Kind::PluginConfig => &kinds::plugin_configs::COLLECTION,
            Kind::GlobalRule => &kinds::global_rules::COLLECTION,
            Kind::Ssl => &kinds::ssls::COLLECTION,
            Kind::PluginMetadata => &kinds::plugin_metadata::COLLECTION,
            Kind::StreamRoute => &kinds::stream_routes::COLLECTION,
            Kind::Proto => &kinds::protos::COLLECTION,
            Kind::Secret => &kinds::secrets::COLLECTION,
            Kind::Registry => &kinds::registries::COLLECTION,
            Kind::GraphqlCostDecoration => &kinds::graphql_cost_decorations::COLLECTION,
        }
    }

    /// The collection at the top of the path space with this name.
    pub(super) fn top(name: &str) -> Option<&'static Self> {
        Kind::ALL
            .into_iter()
            .filter(|kind| !matches!(kind, Kind::Credential | Kind::GraphqlCostDecoration))
            .find(|kind| kind.collection() == name)
            .map(Self::of)
    }

    /// Whether the collection takes `method`.
    ///
    /// # Errors
    /// [`Error::Refused`] when it does not.
    pub(super) fn check_method(&self, method: &Method) -> Result<(), Error> {
        let refused =
            (method == Method::POST && !self.post) || (method == Method::PATCH && !self.patch);
        if refused {
            return Err(Error::Refused(method.clone(), self.label));
        }
        Ok(())
    }
}
