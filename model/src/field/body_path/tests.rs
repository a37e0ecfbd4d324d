use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::schema::tests::arbitrary_json;

fn document() -> Value {
    json!({
        "model": "deepseek",
        "nested": {"a": {"b": 7}},
        "tags": ["x", 1, true, null, {"deep": 1}, [2]],
        "messages": [
            {"role": "system", "content": [{"type": "text"}, {"type": "image_url"}]},
            {"role": "user", "content": "plain"}
        ],
        "a b": 1
    })
}

fn at(path: &str) -> Option<Value> {
    let text = document().to_string();
    let found = BodyPath::parse(path).unwrap().in_json(text.as_bytes());
    found.unwrap()
}

#[test]
fn paths_lead_to_values() {
    for (path, value) in [
        ("model", json!("deepseek")),
        ("nested.a.b", json!(7)),
        ("nested.a", json!({})),
        ("tags", json!(["x", 1, true, null, {}, null])),
        ("tags[1]", json!([1])),
        ("tags[*]", json!(["x", 1, true, null, {}, null])),
        ("messages[*].content[*].type", json!(["text", "image_url"])),
        ("messages[1].role", json!(["user"])),
        ("messages.*.role", json!(["system", "user"])),
        ("nested..b", json!([7])),
        ("nested.a['b']", json!([7])),
        ("['a b']", json!([1])),
    ] {
        assert_eq!(at(path), Some(value), "{path}");
    }
    for path in [
        "none", "model.x", "nested.b", "tags[9]", "tags.0", "tags..x",
    ] {
        assert_eq!(at(path), None, "{path}");
    }
}

#[test]
fn of_a_name_that_stands_twice_the_last_counts() {
    let found = |text: &str| {
        BodyPath::parse("a.b")
            .unwrap()
            .in_json(text.as_bytes())
            .unwrap()
    };
    assert_eq!(found(r#"{"a": {"b": 1, "b": 2}}"#), Some(json!(2)));
    assert_eq!(found(r#"{"a": {"b": 1}, "a": {}}"#), None);
}

#[test]
fn paths_that_cannot_be_read_are_refused() {
    for (path, reason) in [
        ("", "expected a name at the end"),
        ("a.", "expected a name at the end"),
        ("a...b", "expected a name at \".b\""),
        (
            "messages[.content[*].type",
            "expected a number, '*' or a name in quotes at \".content[*].type\"",
        ),
        ("a[1", "expected ']' at \"1\""),
        ("a['b]", "expected a closing ' at \"'b]\""),
        ("a[1]b", "expected '.' or '[' at \"b\""),
        ("a]", "expected '.' or '[' at \"]\""),
    ] {
        assert_eq!(BodyPath::parse(path).unwrap_err(), reason, "{path}");
    }
    assert!(BodyPath::parse(&"a.".repeat(100)).is_err());
}

#[test]
fn a_text_that_is_not_json_is_an_error() {
    let path = BodyPath::parse("a").unwrap();
    for text in ["", "{", "{\"a\": 1} x", "{\"a\": 1", &"[".repeat(1000)] {
        assert!(path.in_json(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn what_is_found_is_bounded() {
    let long = format!("{{\"a\": [{}1]}}", "1,".repeat(MAX_FOUND));
    for path in ["a", "a[*]"] {
        let error = BodyPath::parse(path).unwrap().in_json(long.as_bytes());
        assert!(
            error
                .unwrap_err()
                .to_string()
                .starts_with("more than 10000")
        );
    }
}

proptest! {
    #[test]
    fn any_text_is_a_path_or_refused(text in "[a-c.*'\\[\\]0-9]{0,12}", document in arbitrary_json()) {
        if let Ok(path) = BodyPath::parse(&text) {
            let read = path.in_json(document.to_string().as_bytes()).unwrap();
            prop_assert_eq!(read, path.in_value(&document));
        }
    }
}
