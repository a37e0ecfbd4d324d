//! Certificates. Private keys are written, never read.

use weir_model::Kind;

use crate::admin::collection::Collection;

/// Particulars of the collection.
pub(in crate::admin) const COLLECTION: Collection = Collection {
    hidden: &["key", "keys"],
    ..Collection::plain(Kind::Ssl, "ssl")
};
