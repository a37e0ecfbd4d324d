//! Protocol buffer definitions; compiled when written, see [`crate::write`].

use weir_model::Kind;

use crate::admin::collection::Collection;

/// Particulars of the collection.
pub(in crate::admin) const COLLECTION: Collection = Collection {
    patch: false,
    ..Collection::plain(Kind::Proto, "proto")
};
