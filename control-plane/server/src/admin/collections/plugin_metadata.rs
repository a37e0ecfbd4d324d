//! Settings of a plugin as a whole; the id is its name.

use weir_model::Kind;

use crate::admin::collection::{Collection, IdSource};

/// Particulars of the collection.
pub(in crate::admin) const COLLECTION: Collection = Collection {
    post: false,
    patch: false,
    id_source: IdSource::PluginName,
    ..Collection::plain(Kind::PluginMetadata, "plugin_metadata")
};
