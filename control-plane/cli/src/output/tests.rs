use proptest::prelude::*;
use serde_json::{Map, Number, json};

use super::*;
use crate::documents::parse;

#[test]
fn columns_line_up_without_trailing_spaces() {
    let rows = vec![
        vec!["1".to_owned(), "a long one".to_owned(), "-".to_owned()],
        vec!["two".to_owned(), "b".to_owned(), "x".to_owned()],
    ];
    assert_eq!(
        table::columns(&["ID", "NAME", "X"], &rows),
        "ID   NAME        X\n1    a long one  -\ntwo  b           x"
    );
    assert_eq!(table::columns(&["ID"], &[]), "");
}

#[test]
fn pairs_line_up() {
    let rows = [("name", "a".to_owned()), ("revision", "7".to_owned())];
    assert_eq!(table::pairs(&rows), "name:      a\nrevision:  7");
}

#[test]
fn text_cannot_steer_the_terminal() {
    assert_eq!(
        table::clean("a\u{1b}[31mb\nc\u{9b}"),
        "a\\u{1b}[31mb\\nc\\u{9b}"
    );
    assert_eq!(table::clean("grün ✓"), "grün ✓");
}

#[test]
fn times_are_readable() {
    assert_eq!(time::stamp(0), "1970-01-01T00:00:00.000Z");
    assert_eq!(time::stamp(951_827_696_789), "2000-02-29T12:34:56.789Z");
    assert_eq!(time::stamp(1_795_492_800_000), "2026-11-24T04:00:00.000Z");
    assert_eq!(time::ago(0, 5), "-");
    assert_eq!(time::ago(1_000, 500), "0s");
    assert_eq!(time::ago(1_000, 91_000), "90s");
    assert_eq!(time::ago(1_000, 601_000), "10m");
    assert_eq!(time::ago(1_000, 10_801_000), "3h");
    assert_eq!(time::ago(1_000, 864_001_000), "10d");
}

/// Reads YAML output back through the parser that apply uses.
fn back(value: &Value) -> Value {
    let wrapped = json!({"kind": "route", "id": "1", "spec": {"v": value}});
    let text = yaml::text(&wrapped);
    let parsed =
        parse("f.yaml", text.as_bytes()).unwrap_or_else(|faults| panic!("{faults:?}\n{text}"));
    parsed.documents[0].spec["v"].clone()
}

#[test]
fn yaml_output_reads_back_as_the_same_strings() {
    for text in [
        "",
        " ",
        "yes",
        "no",
        "on",
        "true",
        "True",
        "null",
        "~",
        "0755",
        "1_000",
        "1e3",
        "0x1f",
        "-",
        "- a",
        "a: b",
        "a #b",
        "#",
        "*a",
        "&a",
        "!a",
        "%a",
        "@a",
        "`a",
        "|",
        ">",
        "'",
        "\"",
        "a\nb",
        "a\nb\n",
        "\n",
        "\ta",
        "a\t",
        " a",
        "a ",
        "{}",
        "[]",
        "2026-11-24",
        "12:30:45",
        "1.",
        ".5",
        ".inf",
        ".nan",
        "=",
        "<<",
        "---",
        "...",
        "\u{1b}",
        "\u{85}",
        "\u{feff}",
        "\u{2028}",
        "é",
        "\u{1f600}",
        "a\r\nb",
        "\0",
        "$http_host",
        "^/a(.*)$",
        "127.0.0.1:80",
        "-----BEGIN KEY-----\nabc==\n-----END KEY-----\n",
        "\\",
        "a\\nb",
        "?",
        "? a",
        ",",
        "N",
        "y",
    ] {
        assert_eq!(back(&json!(text)), json!(text), "{text:?}");
        let key = json!({text: 1});
        assert_eq!(back(&key), key, "{text:?}");
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e15..1e15)
            .prop_map(|float: f64| Number::from_f64(float).map_or(Value::Null, Value::Number)),
        "\\PC{0,20}".prop_map(Value::String),
        "[ -~\\n\\t]{0,60}".prop_map(Value::String),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
            proptest::collection::vec(("[ -~]{0,12}", inner), 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

proptest! {
    #[test]
    fn yaml_output_reads_back_as_the_same_value(value in any_value()) {
        prop_assert_eq!(back(&value), value);
    }
}
