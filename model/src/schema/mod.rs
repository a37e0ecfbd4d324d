//! JSON schemas: our own checker of the subset of draft 7 that APISIX's schemas use.
//!
//! It differs from a general validator in three ways, all of which clients notice: it words errors
//! as APISIX does, it fills defaults into the document *before* conditions are evaluated, and it
//! sees values as Lua does (1.0 is an integer, an empty array is an empty object). Integers written
//! as floats become integers in the checked document.

mod check;
mod compile;
mod nearest;
mod object;
mod quote;
#[cfg(test)]
pub(crate) mod tests;
mod unknown;

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use serde_json::Value;

pub use compile::Compiled;
pub use nearest::nearest;
pub use object::object_schema;
pub(crate) use object::{compiled, meta_schema, registry, secret_schema, source};
pub use unknown::unknown_fields;

use crate::validate::Problem;

/// Checks a document against a schema, and fills the schema's defaults into it.
///
/// The compiled form of the schema is kept, so that the next check with an equal schema is fast.
///
/// # Errors
/// The first thing that is wrong, with APISIX's text. The document may have been filled in part.
pub fn check(schema: &Value, doc: &mut Value) -> Result<(), Problem> {
    cached(schema).check(doc)
}

/// Compiled schemas by the hash of their source.
type Cache = HashMap<u64, (Value, Arc<Compiled>)>;

/// Schemas come from the tables of the program, so there are a few hundred of them. The bound only
/// keeps a caller that makes schemas up from filling the memory.
const CACHE_BOUND: usize = 1024;

/// The compiled form of a schema, from the cache when an equal one was compiled before.
#[must_use]
pub fn cached(schema: &Value) -> Arc<Compiled> {
    static CACHE: OnceLock<RwLock<Cache>> = OnceLock::new();
    let cache = CACHE.get_or_init(RwLock::default);
    let mut hasher = DefaultHasher::new();
    schema.hash(&mut hasher);
    let hash = hasher.finish();
    let known = cache.read().unwrap_or_else(PoisonError::into_inner);
    if let Some((source, compiled)) = known.get(&hash)
        && source == schema
    {
        return Arc::clone(compiled);
    }
    drop(known);
    let compiled = Arc::new(Compiled::new(schema));
    let mut known = cache.write().unwrap_or_else(PoisonError::into_inner);
    if known.len() < CACHE_BOUND {
        known.insert(hash, (schema.clone(), Arc::clone(&compiled)));
    }
    compiled
}
