//! Values of labels, as consumers and external users have them.

use std::borrow::Cow;

use regex::Regex;
use serde_json::Value;

/// How values are written.
pub(super) enum Form {
    /// As they are seen to be.
    Seen,
    /// A text with these separators.
    Segments(Regex),
    /// A text that is a JSON array.
    Json,
    /// An array.
    Table,
}

impl Form {
    /// Separators from a configuration; white space around them belongs to them.
    ///
    /// # Errors
    /// What is wrong with the expression.
    pub(super) fn segments(separator: &str) -> Result<Self, String> {
        let regex = Regex::new(&format!(r"\s*(?:{separator})\s*"));
        regex.map(Self::Segments).map_err(|error| {
            format!("external_user_label_field_separator: not a regular expression: {error}")
        })
    }

    /// The values; none when they are written in another way.
    pub(super) fn values<'v>(&self, value: &'v Value) -> Vec<Cow<'v, str>> {
        match (self, value) {
            (Self::Segments(regex), Value::String(text)) => {
                regex.split(text).map(Cow::Borrowed).collect()
            }
            (Self::Json, Value::String(text)) => json(text),
            (Self::Table, Value::Array(items)) => texts(items),
            (Self::Seen, Value::Array(items)) => texts(items),
            (Self::Seen, Value::String(text)) => seen(text),
            _ => Vec::new(),
        }
    }
}

/// The values of a text: a JSON array, a list with commas, or one.
pub(super) fn seen(text: &str) -> Vec<Cow<'_, str>> {
    if text.starts_with('[') {
        return json(text);
    }
    text.split(',')
        .map(|value| Cow::Borrowed(value.trim()))
        .collect()
}

fn texts(items: &[Value]) -> Vec<Cow<'_, str>> {
    let texts = items.iter().filter_map(Value::as_str);
    texts.map(Cow::Borrowed).collect()
}

fn json<'v>(text: &str) -> Vec<Cow<'v, str>> {
    let items: Vec<Value> = serde_json::from_str(text).unwrap_or_default();
    let texts = items.into_iter().filter_map(|item| match item {
        Value::String(text) => Some(Cow::Owned(text)),
        _ => None,
    });
    texts.collect()
}
