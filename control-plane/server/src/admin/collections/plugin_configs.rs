//! Plugins shared by routes.

use weir_model::Kind;

use crate::admin::collection::Collection;

/// Particulars of the collection.
pub(in crate::admin) const COLLECTION: Collection = Collection {
    post: false,
    ..Collection::plain(Kind::PluginConfig, "plugin config")
};
