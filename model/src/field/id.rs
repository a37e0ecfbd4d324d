//! Identifiers: 1 to 64 letters, digits, `-`, `_`, `.`, or an integer of 1 or more. Compared as text.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::field::number;
use crate::resource::Id;

/// The text of an id value: strings as they are, integers in decimal; `None` for anything else.
#[must_use]
pub fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => number::integral(number).map(|id| id.to_string()),
        _ => None,
    }
}

/// Whether the text may be the id of a resource.
#[must_use]
pub fn is_valid(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// Whether the text may be the name of a consumer: 1 to 256 letters, digits, `_` and `-`.
#[must_use]
pub fn is_username(text: &str) -> bool {
    (1..=256).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// Deserialises an optional id that may be written as text or as a number.
pub(crate) fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Id>, D::Error> {
    let Some(value) = Option::<Value>::deserialize(deserializer)? else {
        return Ok(None);
    };
    text(&value)
        .map(|id| Some(Id::from(id)))
        .ok_or_else(|| serde::de::Error::custom(format!("expected an id, got {value}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_and_texts_name_the_same_resource() {
        assert_eq!(text(&json!(1)).as_deref(), Some("1"));
        assert_eq!(text(&json!(1.0)).as_deref(), Some("1"));
        assert_eq!(text(&json!("1")).as_deref(), Some("1"));
        assert_eq!(text(&json!(1.5)), None);
        assert_eq!(text(&json!(null)), None);
    }

    #[test]
    fn ids_are_short_and_plain() {
        for good in ["1", "a-b_c.d", &"x".repeat(64)] {
            assert!(is_valid(good), "{good}");
        }
        for bad in ["", "a b", "a/b", "ä", &"x".repeat(65)] {
            assert!(!is_valid(bad), "{bad}");
        }
    }

    #[test]
    fn usernames_have_no_dots() {
        assert!(is_username("jack_1-x"));
        assert!(!is_username("jack.black"));
    }
}
