//! Rules that select L4 connections; only when the proxy mode has stream.

use weir_model::Kind;

use crate::admin::collection::Collection;

/// Particulars of the collection.
pub(in crate::admin) const COLLECTION: Collection = Collection {
    patch: false,
    ..Collection::plain(Kind::StreamRoute, "stream route")
};
