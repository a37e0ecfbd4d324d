//! Settings shared by routes. A delete is refused while routes or stream routes use it.

use weir_model::Kind;

use crate::admin::collection::Collection;

/// Particulars of the collection.
pub(in crate::admin) const COLLECTION: Collection = Collection::plain(Kind::Service, "service");
