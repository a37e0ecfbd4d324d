//! Nodes and how to balance over them. A delete is refused while anything refers to it.

use weir_model::Kind;

use crate::admin::collection::Collection;

/// Particulars of the collection.
pub(in crate::admin) const COLLECTION: Collection = Collection::plain(Kind::Upstream, "upstream");
