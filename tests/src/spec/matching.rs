//! Comparing what came with what is written: texts and JSON.
//!
//! A text that begins with `~` is a regex that must be found; any other must be equal. An object
//! must have the fields that are written, and may have more; a field that is written as null must
//! be absent.

use regex::Regex;
use serde_json::Value;

/// The difference between a text and what is written, if there is one.
#[must_use]
pub fn text(what: &str, expected: &str, got: Option<&str>) -> Option<String> {
    let fits = got.is_some_and(|got| match expected.strip_prefix('~') {
        Some(pattern) => Regex::new(pattern)
            .unwrap_or_else(|error| panic!("{what}: {error}"))
            .is_match(got),
        None => got == expected,
    });
    let shown = got.map_or_else(|| "nothing".to_owned(), |got| format!("`{}`", short(got)));
    (!fits).then(|| format!("{what}: expected `{expected}`, got {shown}"))
}

/// All differences between JSON and what is written.
#[must_use]
pub fn json(what: &str, expected: &Value, got: Option<&Value>) -> Vec<String> {
    let differs = || {
        let shown = got.map_or_else(|| "nothing".to_owned(), |got| short(&got.to_string()));
        vec![format!("{what}: expected {expected}, got {shown}")]
    };
    match (expected, got) {
        (Value::Null, None) => Vec::new(),
        (Value::String(expected), Some(Value::String(got))) => {
            text(what, expected, Some(got)).into_iter().collect()
        }
        (Value::Object(expected), Some(Value::Object(got))) => expected
            .iter()
            .flat_map(|(name, value)| json(&format!("{what}.{name}"), value, got.get(name)))
            .collect(),
        (Value::Array(expected), Some(Value::Array(got))) if expected.len() == got.len() => {
            expected
                .iter()
                .zip(got)
                .zip(1..)
                .flat_map(|((value, got), at)| json(&format!("{what}[{at}]"), value, Some(got)))
                .collect()
        }
        (Value::Number(expected), Some(Value::Number(got))) => {
            let same = expected.as_f64() == got.as_f64();
            if same { Vec::new() } else { differs() }
        }
        (expected, Some(got)) if expected == got => Vec::new(),
        _ => differs(),
    }
}

/// At most 400 characters of a text.
#[must_use]
pub fn short(text: &str) -> String {
    let mut shown: String = text.chars().take(400).collect();
    if shown.len() < text.len() {
        shown.push_str(&format!("... ({} bytes)", text.len()));
    }
    shown
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_is_equal_or_found_by_its_regex() {
        assert_eq!(text("x", "a", Some("a")), None);
        assert_eq!(text("x", "~^a+$", Some("aaa")), None);
        let differs = text("x", "a", Some("ab")).expect("a difference");
        assert_eq!(differs, "x: expected `a`, got `ab`");
        assert!(text("x", "~b", Some("a")).is_some());
        assert!(text("x", "", None).is_some());
    }

    #[test]
    fn an_object_has_what_is_written_and_may_have_more() {
        let got = json!({"a": 1, "b": {"c": ["x", 2.0]}});
        let fits = |expected| super::json("got", &expected, Some(&got));
        assert!(fits(json!({"b": {"c": ["~x", 2]}})).is_empty());
        assert!(fits(json!({"z": null})).is_empty());
        assert_eq!(fits(json!({"a": null})), ["got.a: expected null, got 1"]);
        assert_eq!(fits(json!({"b": {"c": ["y", 3]}})).len(), 2);
        assert_eq!(fits(json!({"b": {"c": ["x"]}})).len(), 1);
    }
}
