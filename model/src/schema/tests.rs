use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// Any JSON, with names and texts that schemas and expressions know mixed in.
pub(crate) fn arbitrary_json() -> impl Strategy<Value = Value> {
    let words = prop::sample::select(vec![
        "type",
        "properties",
        "AND",
        "!OR",
        "==",
        "~~",
        "ipmatch",
        "in",
        "uri",
        "nodes",
        "host",
        "port",
        "weight",
        "plugins",
        "upstream",
        "10.0.0.0/8",
        "http",
        "[",
        "\\",
        "string",
        "integer",
        "object",
        "required",
        "default",
        "items",
        "anyOf",
        "checks",
        "active",
        "_meta",
    ]);
    let text = prop_oneof![words.prop_map(str::to_owned), ".{0,6}"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((text.clone(), inner), 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn refusal(schema: Value, mut doc: Value) -> String {
    check(&schema, &mut doc).unwrap_err().message
}

fn filled(schema: Value, mut doc: Value) -> Value {
    check(&schema, &mut doc).unwrap();
    doc
}

#[test]
fn refusals_have_the_texts_of_apisix() {
    for (schema, doc, text) in [
        (
            json!({"type": "string"}),
            json!(1),
            "wrong type: expected string, got number",
        ),
        (
            json!({"type": "object"}),
            json!([1]),
            "wrong type: expected object, got table",
        ),
        (
            json!({"type": "string"}),
            json!(null),
            "wrong type: expected string, got userdata",
        ),
        (
            json!({"type": "integer"}),
            json!(1.5),
            "wrong type: expected integer, got number",
        ),
        (
            json!({"type": ["integer", "string"]}),
            json!(true),
            "wrong type: expected one of integer, string, got boolean",
        ),
        (
            json!({"required": ["a"]}),
            json!({}),
            "property \"a\" is required",
        ),
        (
            json!({"properties": {"a": {"properties": {"b": {"type": "string"}}}}}),
            json!({"a": {"b": 1}}),
            "property \"a\" validation failed: property \"b\" validation failed: \
             wrong type: expected string, got number",
        ),
        (
            json!({"properties": {}, "additionalProperties": false}),
            json!({"x": 1}),
            "additional properties forbidden, found x",
        ),
        (
            json!({"additionalProperties": {"type": "string"}}),
            json!({"x": 1}),
            "failed to validate additional property x: wrong type: expected string, got number",
        ),
        (
            json!({"patternProperties": {".*": {"type": "string"}}}),
            json!({"env": 1}),
            "failed to validate env (matching \".*\"): wrong type: expected string, got number",
        ),
        (
            json!({"enum": ["a", 1]}),
            json!("b"),
            "matches none of the enum values",
        ),
        (
            json!({"minLength": 1}),
            json!(""),
            "string too short, expected at least 1, got 0",
        ),
        (
            json!({"maxLength": 64}),
            json!("ä".repeat(65)),
            "string too long, expected at most 64, got 65",
        ),
        (
            json!({"minimum": 0}),
            json!(-1),
            "expected -1 to be at least 0",
        ),
        (
            json!({"maximum": 5}),
            json!(9),
            "expected 9 to be at most 5",
        ),
        (
            json!({"exclusiveMinimum": 0}),
            json!(0.0),
            "expected 0 to be greater than 0",
        ),
        (
            json!({"minItems": 1}),
            json!([]),
            "expect array to have at least 1 items",
        ),
        (
            json!({"maxItems": 1}),
            json!([1, 2]),
            "expect array to have at most 1 items",
        ),
        (
            json!({"uniqueItems": true}),
            json!(["a", "b", "a"]),
            "expected unique items but items 1 and 3 are equal",
        ),
        (
            json!({"uniqueItems": true}),
            json!([{"a": 1, "b": 2}, {"b": 2.0, "a": 1}]),
            "expected unique items but items 1 and 2 are equal",
        ),
        (
            json!({"items": {"type": "string"}}),
            json!([1]),
            "failed to validate item 1: wrong type: expected string, got number",
        ),
        (
            json!({"pattern": "^\\S+$"}),
            json!("a b"),
            "failed to match pattern \"^\\\\S+$\" with \"a b\"",
        ),
        (
            json!({"anyOf": [{"required": ["a"]}, {"required": ["a", "b"]}]}),
            json!({}),
            "object matches none of the required: [\"a\"] or [\"a\",\"b\"]",
        ),
        (
            json!({"anyOf": [{"type": "string"}]}),
            json!(1),
            "object matches none of the required",
        ),
        (
            json!({"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}),
            json!({}),
            "value should match only one schema, but matches none",
        ),
        (
            json!({"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}),
            json!({"a": 1, "b": 1}),
            "value should match only one schema, but matches both schemas 1 and 2",
        ),
        (
            json!({"allOf": [{"type": "string"}]}),
            json!(1),
            "allOf 1 failed: wrong type: expected string, got number",
        ),
        (
            json!({"not": {"type": "string"}}),
            json!(""),
            "value wasn't supposed to match schema",
        ),
        (
            json!({"if": {"type": "string"}, "then": {"minLength": 1}}),
            json!(""),
            "then clause did not match",
        ),
        (
            json!({"if": {"type": "string"}, "else": {"minimum": 1}}),
            json!(0),
            "else clause did not match",
        ),
        (
            json!({"dependencies": {"a": {"required": ["b"]}}}),
            json!({"a": 1}),
            "failed to validate dependent schema for \"a\": property \"b\" is required",
        ),
        (
            json!({"properties": {"a": {}}, "dependencies": {"a": ["b"]}}),
            json!({"a": 1}),
            "property \"b\" is required when \"a\" is set",
        ),
        (
            json!({"format": "ipv4"}),
            json!("x"),
            "expect valid ipv4 address but got: x",
        ),
        (
            json!({"format": "ipv6"}),
            json!("x"),
            "expect valid ipv6 address but got: x",
        ),
        (json!({"const": 1}), json!(2), "failed to check const value"),
        (
            json!({"contains": {"const": 1}}),
            json!([2]),
            "failed to check contains",
        ),
        (
            json!({"multipleOf": 2}),
            json!(3),
            "expected 3 to be a multiple of 2",
        ),
        (
            json!({"minProperties": 1}),
            json!({}),
            "expect object to have at least 1 properties",
        ),
        (
            json!({"maxProperties": 1}),
            json!({"a": 1, "b": 2}),
            "expect object to have at most 1 properties",
        ),
        (
            json!({"type": "object", "required": []}),
            json!({"a": 1}),
            "the input data should be an empty table",
        ),
        (json!(false), json!(1), "expect false always"),
    ] {
        assert_eq!(refusal(schema.clone(), doc.clone()), text, "{schema} {doc}");
    }
}

#[test]
fn defaults_are_there_before_conditions_are_evaluated() {
    let schema = json!({
        "properties": {"policy": {"type": "string", "default": "local"}},
        "if": {"properties": {"policy": {"enum": ["redis"]}}},
        "then": {"required": ["redis_host"]}
    });
    assert_eq!(
        filled(schema.clone(), json!({})),
        json!({"policy": "local"})
    );
    assert_eq!(
        refusal(schema, json!({"policy": "redis"})),
        "then clause did not match"
    );
}

#[test]
fn defaults_of_the_branch_that_matches_are_filled_and_no_others() {
    let schema = json!({"oneOf": [
        {"properties": {"kind": {"enum": ["a"]}, "x": {"default": 1}}},
        {"properties": {"kind": {"enum": ["b"]}, "y": {"default": false}}}
    ]});
    assert_eq!(
        filled(schema, json!({"kind": "b"})),
        json!({"kind": "b", "y": false})
    );
}

#[test]
fn a_default_is_not_for_a_required_property() {
    let schema = json!({"required": ["a"], "properties": {"a": {"default": 1}}});
    assert_eq!(refusal(schema, json!({})), "property \"a\" is required");
}

#[test]
fn values_are_seen_as_lua_sees_them() {
    assert_eq!(filled(json!({"type": "integer"}), json!(2.0)), json!(2));
    assert_eq!(filled(json!({"type": "object"}), json!([])), json!({}));
    assert_eq!(filled(json!({"type": "array"}), json!({})), json!([]));
}

#[test]
fn problems_name_the_place() {
    let schema =
        json!({"properties": {"nodes": {"items": {"properties": {"port": {"type": "integer"}}}}}});
    let problem = check(&schema, &mut json!({"nodes": [{}, {"port": "x"}]})).unwrap_err();
    assert_eq!(problem.path, "nodes[1].port");
    let schema = json!({"patternProperties": {".*": {"type": "integer"}}});
    let problem = check(&schema, &mut json!({"10.0.0.1:80": "x"})).unwrap_err();
    assert_eq!(problem.path, "[\"10.0.0.1:80\"]");
}

#[test]
fn all_wrong_properties_can_be_asked_for() {
    let schema = json!({"properties": {"a": {"type": "string"}, "b": {"type": "string"}},
                        "required": ["c"], "additionalProperties": false});
    let problems = Compiled::new(&schema).check_all(&mut json!({"a": 1, "b": 2, "d": 3}));
    let paths: Vec<&str> = problems
        .iter()
        .map(|problem| problem.path.as_str())
        .collect();
    assert_eq!(paths, ["a", "b", "", "d"]);
}

#[test]
fn ignored_fields_are_found_with_the_name_that_was_meant() {
    let schema = object_schema(crate::Kind::Upstream);
    let doc = json!({
        "nodes": [{"host": "a", "weight": 1, "metadata": {"free": 1}, "wieght": 2}],
        "labels": {"any": "x"},
        "checks": {"active": {"http_pth": "/", "healthy": {"nonsense": 1}}},
        "discovery_args": {"regisrty": "x"}
    });
    let found: Vec<(String, Option<String>)> = unknown_fields(schema, &doc)
        .into_iter()
        .map(|field| (field.path, field.nearest))
        .collect();
    assert_eq!(
        found,
        [
            ("nodes[0].wieght".to_owned(), Some("weight".to_owned())),
            (
                "checks.active.http_pth".to_owned(),
                Some("http_path".to_owned())
            ),
            ("checks.active.healthy.nonsense".to_owned(), None),
            (
                "discovery_args.regisrty".to_owned(),
                Some("registry".to_owned())
            ),
        ]
    );
}

#[test]
fn every_schema_file_parses() {
    for (file, text) in object::FILES {
        let schema: Value = serde_json::from_str(text).unwrap_or_else(|e| panic!("{file}: {e}"));
        let _ = Compiled::new(&schema);
    }
    for kind in crate::Kind::ALL {
        assert!(object_schema(kind).is_object(), "{kind}");
    }
}

proptest! {
    #[test]
    fn any_schema_and_any_document_are_checked_without_panic(
        schema in arbitrary_json(), doc in arbitrary_json()
    ) {
        let compiled = Compiled::new(&schema);
        let first = compiled.check(&mut doc.clone()).err();
        let all = compiled.check_all(&mut doc.clone());
        prop_assert_eq!(first.as_ref(), all.first());
        let _ = unknown_fields(&schema, &doc);
    }

    #[test]
    fn our_schemas_take_any_document_without_panic(doc in arbitrary_json()) {
        for kind in crate::Kind::ALL {
            let _ = compiled(kind).check(&mut doc.clone());
            let _ = unknown_fields(object_schema(kind), &doc);
        }
    }

    #[test]
    fn filling_defaults_twice_changes_nothing(uri in "/[a-z]{1,8}", priority in 0..100_i64) {
        let mut once = json!({"uri": uri, "priority": priority, "upstream": {"nodes": {"a:1": 1}}});
        compiled(crate::Kind::Route).check(&mut once).unwrap();
        let mut twice = once.clone();
        compiled(crate::Kind::Route).check(&mut twice).unwrap();
        prop_assert_eq!(once, twice);
    }
}

#[test]
fn a_text_that_may_be_a_reference_has_no_length_then() {
    let schema = json!({"type": "string", "reference": true, "minLength": 64});
    for text in ["$env://KEY", "$secret://vault/1/shop/key"] {
        assert_eq!(filled(schema.clone(), json!(text)), json!(text));
    }
    assert_eq!(
        refusal(schema, json!("KEY")),
        "string too short, expected at least 64, got 3"
    );
    let schema = json!({"type": "string", "minLength": 64});
    assert!(refusal(schema, json!("$env://KEY")).starts_with("string too short"));
}
