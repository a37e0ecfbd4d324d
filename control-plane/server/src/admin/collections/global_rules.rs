//! Plugins for every request.

use weir_model::Kind;

use crate::admin::collection::Collection;

/// Particulars of the collection.
pub(in crate::admin) const COLLECTION: Collection = Collection {
    post: false,
    ..Collection::plain(Kind::GlobalRule, "global rule")
};
