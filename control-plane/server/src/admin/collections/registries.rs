//! Service registries. Ours; everything is allowed.

use weir_model::Kind;

use crate::admin::collection::Collection;

/// Particulars of the collection.
pub(in crate::admin) const COLLECTION: Collection = Collection::plain(Kind::Registry, "registry");
