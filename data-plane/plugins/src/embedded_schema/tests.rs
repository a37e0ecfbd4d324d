use serde_json::json;

use super::*;

fn refused(schema: Value) -> String {
    compile(&schema).map(drop).unwrap_err()
}

#[test]
fn references_stand_for_what_they_name() {
    let schema = json!({
        "definitions": {"name": {"type": "string", "minLength": 2}},
        "properties": {"a": {"$ref": "#/definitions/name"}},
    });
    let compiled = compile(&schema).unwrap();
    let problem = compiled.check(&mut json!({"a": "x"})).unwrap_err();
    assert_eq!(
        problem.message,
        "property \"a\" validation failed: string too short, expected at least 2, got 1"
    );
    assert!(compiled.check(&mut json!({"a": "xy"})).is_ok());
}

#[test]
fn what_cannot_work_is_refused_with_its_place() {
    for (schema, text) in [
        (
            json!({"properties": {"a": {"type": "text"}}}),
            "/properties/a: invalid JSON type: \"text\"",
        ),
        (
            json!({"items": {"pattern": "(?=a)"}}),
            "/items: invalid regex \"(?=a)\"",
        ),
        (
            json!({"patternProperties": {"(": {}}}),
            "/patternProperties: invalid regex \"(\"",
        ),
        (json!({"$ref": "#"}), "$ref # leads back to itself"),
        (json!({"$ref": "#/x"}), "$ref #/x names nothing"),
        (json!({"$ref": "http://a/b"}), "$ref must begin with #"),
        (
            json!({"propertyNames": {}}),
            "propertyNames is not supported",
        ),
        (json!({"allOf": [7]}), "/allOf/0: a schema is an object"),
    ] {
        let refusal = refused(schema);
        assert!(refusal.starts_with(text), "{refusal}");
    }
    let mut deep = json!({});
    for _ in 0..100 {
        deep = json!({"not": deep});
    }
    assert!(refused(deep).contains("nested deeper than 64 levels"));
}

#[test]
fn a_few_references_cannot_make_a_huge_schema() {
    let mut definitions = Map::new();
    definitions.insert("l0".into(), json!({"type": "string"}));
    for level in 1..25 {
        let inner = json!({"$ref": format!("#/definitions/l{}", level - 1)});
        definitions.insert(format!("l{level}"), json!({"allOf": [inner, inner]}));
    }
    let schema = json!({"definitions": definitions, "$ref": "#/definitions/l24"});
    let refusal = refused(schema);
    assert!(refusal.contains("more than 10000 schemas"), "{refusal}");
}

#[test]
fn names_are_found_in_every_branch() {
    let schema = json!({
        "properties": {"A": {"properties": {"inner": {}}}},
        "required": ["B"],
        "anyOf": [{"required": ["C"]}],
        "if": {"properties": {"D": {}}},
        "dependencies": {"E": ["F"], "G": {"required": ["H"]}},
    });
    assert_eq!(
        property_names(&schema),
        ["A", "B", "C", "D", "E", "F", "G", "H"]
    );
}
