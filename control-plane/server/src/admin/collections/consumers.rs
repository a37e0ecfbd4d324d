//! Callers of the API, found by username. A delete takes their credentials with it.

use weir_model::Kind;

use crate::admin::collection::{Collection, IdSource};

/// Particulars of the collection.
pub(in crate::admin) const COLLECTION: Collection = Collection {
    post: false,
    patch: false,
    id_source: IdSource::Username,
    ..Collection::plain(Kind::Consumer, "consumer")
};
