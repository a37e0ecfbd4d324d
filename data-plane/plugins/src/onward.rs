//! Headers of a request that goes on to a place that is no node, and of its answer.

use http::header::CONNECTION;
use http::{HeaderMap, HeaderName};

use crate::service_call::is_of_connection;

/// The headers without those that belong to one connection, those that `Connection` names included.
pub(crate) fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::from_bytes(name.trim().as_bytes()).ok())
        .collect();
    let fields = headers.iter();
    let kept = fields.filter(|(name, _)| !is_of_connection(name) && !named.contains(name));
    let mut left = HeaderMap::with_capacity(headers.len());
    for (name, value) in kept {
        left.append(name, value.clone());
    }
    left
}
