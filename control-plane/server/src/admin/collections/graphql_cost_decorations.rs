//! Weights for graphql-limit-count, below the path of a service.

use weir_model::Kind;

use crate::admin::collection::Collection;

/// Particulars of the collection.
pub(in crate::admin) const COLLECTION: Collection =
    Collection::plain(Kind::GraphqlCostDecoration, "graphql_cost_decoration");
