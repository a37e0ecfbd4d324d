//! Limits that the schemas do not know.

use serde_json::Value;
use weir_model::{Key, Kind, Problem};

/// Deepest nesting. A document travels inside other JSON (log entries, snapshots), whose readers
/// stop at 128 levels: what is accepted here must be readable there.
const DEEPEST: usize = 64;
/// Longest id, or part of one.
const LONGEST_ID: usize = 64;
/// Longest username.
const LONGEST_USERNAME: usize = 256;

/// APISIX's text for an id that is none.
pub(crate) const MALFORMED_ID: &str = "invalid configuration: property \"id\" validation failed: \
                                       object matches none of the required";

/// The problem of a document that is nested too deep.
pub(super) fn too_deep(spec: &Value) -> Option<Problem> {
    (depth(spec, DEEPEST + 1) > DEEPEST).then(|| {
        let message = format!("invalid configuration: nested deeper than {DEEPEST} levels");
        Problem::new("", message)
    })
}

/// The problem of a key that does not have the form that its kind asks for.
pub(super) fn malformed(key: &Key) -> Option<Problem> {
    (!is_key(key)).then(|| Problem::new("id", MALFORMED_ID))
}

/// How deep a document is, looking no deeper than `limit`.
fn depth(value: &Value, limit: usize) -> usize {
    if limit == 0 {
        return 0;
    }
    let below = |value| depth(value, limit - 1);
    match value {
        Value::Array(items) => 1 + items.iter().map(below).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(below).max().unwrap_or(0),
        _ => 0,
    }
}

/// Whether the id has the form that its kind asks for. The name of a consumer is left to the
/// schema, which says more.
fn is_key(key: &Key) -> bool {
    match (key.kind, key.id.split_once('/')) {
        (Kind::Consumer | Kind::PluginMetadata, parts) => parts.is_none(),
        (Kind::Credential, Some((consumer, id))) => {
            is_id(consumer, LONGEST_USERNAME) && is_id(id, LONGEST_ID)
        }
        (Kind::Secret | Kind::GraphqlCostDecoration, Some((parent, id))) => {
            is_id(parent, LONGEST_ID) && is_id(id, LONGEST_ID)
        }
        (Kind::Credential | Kind::Secret | Kind::GraphqlCostDecoration, None) => false,
        _ => is_id(&key.id, LONGEST_ID),
    }
}

fn is_id(text: &str, longest: usize) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !text.is_empty() && text.len() <= longest && text.bytes().all(fits)
}
