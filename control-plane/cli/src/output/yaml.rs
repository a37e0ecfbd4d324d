//! YAML output that reads back as the same value.

use serde_json::Value;

/// Block style text.
pub(crate) fn text(value: &Value) -> String {
    let options = serde_saphyr::ser_options! {
        prefer_block_scalars: false,
    };
    // A JSON value always serialises: it has no anchors, tags or odd keys.
    serde_saphyr::to_string_with_options(value, options).unwrap_or_default()
}

/// Several documents.
pub(crate) fn stream(values: &[Value]) -> String {
    let documents: Vec<_> = values.iter().map(text).collect();
    documents.join("---\n")
}
