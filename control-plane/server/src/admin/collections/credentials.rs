//! Keys of a consumer, below its path.

use weir_model::Kind;

use crate::admin::collection::Collection;

/// Particulars of the collection.
pub(in crate::admin) const COLLECTION: Collection = Collection {
    post: false,
    patch: false,
    ..Collection::plain(Kind::Credential, "credential")
};
