//! Asking a registry once, for operators: what would be used, without following it.

use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;
use weir_model::Problem;
use weir_model::endpoint::Lookup;
use weir_model::registry::Registry as Document;
use weir_model::upstream::Upstream;

use crate::{Environment, Error, Seen, build, reports};

/// What an upstream document looks up in `registry`; it need not name the type again.
///
/// # Errors
/// What is wrong with the upstream document.
pub fn lookup(registry: &Document, upstream: &Value) -> Result<Lookup, Problem> {
    let mut upstream = upstream.clone();
    let Value::Object(fields) = &mut upstream else {
        return Err(Problem::new("", "expected a document"));
    };
    fields.insert("discovery_type".to_owned(), registry.backend.kind().into());
    let lookup = Upstream::parse(&upstream)?.lookup();
    lookup.ok_or_else(|| Problem::new("service_name", "is missing"))
}

/// The first answer of a registry.
///
/// # Errors
/// Why there was none within `limit`.
pub async fn ask_once(
    registry: &Document,
    lookup: &Lookup,
    env: Environment<'_>,
    limit: Duration,
) -> Result<Seen, Error> {
    let registry = build(registry, env)?;
    let (reporter, mut reports) = reports();
    let asked = timeout(limit, async {
        tokio::select! {
            biased;
            seen = reports.next() => Ok(seen),
            Err(error) = registry.watch(lookup, reporter) => Err(error),
        }
    });
    asked
        .await
        .unwrap_or_else(|_| Err(Error::timeout("", limit)))
}
