//! Documents at the bounds of a schema.

use std::collections::HashSet;

use serde_json::{Map, Value, json};
use weir_model::schema;

use super::judge::texts;

/// Deepest place that is varied.
const MAX_DEPTH: usize = 6;
/// Items and characters of a value that is made longer.
const MAX_LENGTH: u64 = 1100;

/// Values that take the place of `value`, around what the schema says of it.
fn variants(schema: &Value, value: &Value, depth: usize) -> Vec<Value> {
    let Some(rules) = schema.as_object().filter(|_| depth < MAX_DEPTH) else {
        return Vec::new();
    };
    let mut made = Vec::new();
    if rules.contains_key("type") {
        made.extend(
            json!([null, true, 7, 7.5, 8.0, "x", "", [], [1], {}, {"a": 1}])
                .as_array()
                .unwrap()
                .clone(),
        );
    }
    for name in ["enum", "examples"] {
        made.extend(
            rules
                .get(name)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .cloned(),
        );
    }
    made.extend(rules.get("const").cloned());
    made.extend(rules.get("default").cloned());
    numbers(rules, &mut made);
    lengths(rules, value, &mut made);
    items(rules, value, depth, &mut made);
    properties(rules, value, depth, &mut made);
    for name in ["allOf", "anyOf", "oneOf"] {
        for branch in rules
            .get(name)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            branches(rules, branch, value, depth, &mut made);
        }
    }
    for name in ["not", "if", "then", "else"] {
        if let Some(branch) = rules.get(name) {
            branches(rules, branch, value, depth, &mut made);
        }
    }
    let dependencies = rules.get("dependencies").and_then(Value::as_object);
    for branch in dependencies.into_iter().flatten().map(|(_, branch)| branch) {
        branches(rules, branch, value, depth, &mut made);
    }
    made
}

fn numbers(rules: &Map<String, Value>, made: &mut Vec<Value>) {
    for name in ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"] {
        if let Some(bound) = rules.get(name).and_then(Value::as_f64) {
            for by in [-1.0, -0.5, 0.0, 0.5, 1.0] {
                made.push(json!(bound + by));
            }
            if let Some(whole) = rules.get(name).and_then(Value::as_i64) {
                made.extend([json!(whole - 1), json!(whole), json!(whole + 1)]);
            }
        }
    }
}

fn lengths(rules: &Map<String, Value>, value: &Value, made: &mut Vec<Value>) {
    let text = value.as_str().unwrap_or("a");
    for name in ["minLength", "maxLength"] {
        let Some(bound) = rules.get(name).and_then(Value::as_u64) else {
            continue;
        };
        for length in bound.saturating_sub(1)..=bound + 1 {
            if length <= MAX_LENGTH {
                let longer = text.chars().chain("a".chars().cycle());
                made.push(json!(longer.take(length as usize).collect::<String>()));
                made.push(json!("é".repeat(length as usize)));
            }
        }
    }
    if rules.contains_key("pattern") || rules.contains_key("format") {
        let odd = ["", " ", "*", "$", "/", "a b", "1.2.3.4", "::1", "é\n"];
        made.extend(odd.map(Value::from));
        made.extend(["\n", " ", "/x", "!"].map(|end| json!(format!("{text}{end}"))));
        made.extend(["\n", " ", "/", "!"].map(|start| json!(format!("{start}{text}"))));
    }
}

fn items(rules: &Map<String, Value>, value: &Value, depth: usize, made: &mut Vec<Value>) {
    let each = match rules.get("items") {
        Some(Value::Array(tuple)) => tuple.first(),
        each => each,
    };
    let mut items = value.as_array().cloned().unwrap_or_default();
    if items.is_empty() {
        items.extend(each.map(|each| sample(each, depth)));
    }
    for name in ["minItems", "maxItems"] {
        let Some(bound) = rules.get(name).and_then(Value::as_u64) else {
            continue;
        };
        for length in bound.saturating_sub(1)..=bound + 1 {
            if length <= MAX_LENGTH && !items.is_empty() {
                let longer = items.iter().cycle().take(length as usize);
                made.push(Value::Array(longer.cloned().collect()));
            }
        }
    }
    if rules.contains_key("uniqueItems") {
        let twice = items.iter().chain(items.first());
        made.push(Value::Array(twice.cloned().collect()));
    }
    if let (Some(each), Some(first)) = (each, items.first()) {
        for variant in variants(each, first, depth + 1) {
            let rest = items.iter().skip(1).cloned();
            made.push(Value::Array([variant].into_iter().chain(rest).collect()));
        }
    }
}

fn properties(rules: &Map<String, Value>, value: &Value, depth: usize, made: &mut Vec<Value>) {
    let about = [
        "properties",
        "additionalProperties",
        "patternProperties",
        "minProperties",
        "maxProperties",
    ];
    if !about.iter().any(|name| rules.contains_key(*name)) {
        return;
    }
    let fields = value.as_object().cloned().unwrap_or_default();
    let with = |name: &str, inner: Value| {
        let mut fields = fields.clone();
        fields.insert(name.to_owned(), inner);
        Value::Object(fields)
    };
    made.push(json!({}));
    made.push(with("no_such_property", json!(1)));
    for name in fields.keys() {
        let mut fewer = fields.clone();
        fewer.shift_remove(name);
        made.push(Value::Object(fewer));
    }
    for rest in ["additionalProperties", "patternProperties"] {
        let rest = match rules.get(rest) {
            Some(Value::Object(all)) if rest == "patternProperties" => all.values().next(),
            rest => rest,
        };
        let Some(rest) = rest.filter(|rest| rest.is_object()) else {
            continue;
        };
        let (name, first) = match fields.iter().next() {
            Some((name, first)) => (name.clone(), first.clone()),
            None => ("a".to_owned(), sample(rest, depth)),
        };
        made.push(with(&name, first.clone()));
        for name in ["", "1", "a b", "é", "X-Y"] {
            made.push(with(name, first.clone()));
        }
        made.extend(
            variants(rest, &first, depth + 1)
                .into_iter()
                .map(|v| with(&name, v)),
        );
    }
    let declared = rules.get("properties").and_then(Value::as_object);
    for (name, property) in declared.into_iter().flatten() {
        let inner = match fields.get(name) {
            Some(inner) => inner.clone(),
            None => sample(property, depth),
        };
        made.push(with(name, inner.clone()));
        made.extend(
            variants(property, &inner, depth + 1)
                .into_iter()
                .map(|v| with(name, v)),
        );
    }
}

/// Variants by a branch, of the value and of it with and without what the branch asks for.
fn branches(
    rules: &Map<String, Value>,
    branch: &Value,
    value: &Value,
    depth: usize,
    made: &mut Vec<Value>,
) {
    made.extend(variants(branch, value, depth + 1));
    let Some(fields) = value.as_object() else {
        return;
    };
    let names = match branch {
        Value::Array(_) => texts(Some(branch)),
        branch => texts(branch.get("required")),
    };
    let (mut with, mut without) = (fields.clone(), fields.clone());
    for name in &names {
        without.shift_remove(*name);
        let property = rules.get("properties").and_then(|all| all.get(*name));
        let inner = property.map_or_else(|| json!("x"), |property| sample(property, depth));
        with.entry(*name).or_insert(inner);
    }
    let only = with
        .iter()
        .filter(|(name, _)| names.contains(&name.as_str()));
    made.push(Value::Object(
        only.map(|(n, v)| (n.clone(), v.clone())).collect(),
    ));
    made.push(Value::Object(with));
    made.push(Value::Object(without));
}

/// Some value that may fit a schema.
fn sample(schema: &Value, depth: usize) -> Value {
    let known = ["default", "const"]
        .iter()
        .find_map(|name| schema.get(*name));
    let first = |name: &str| schema.get(name).and_then(|list| list.get(0));
    if let Some(known) = known.or_else(|| first("enum")) {
        return known.clone();
    }
    let number = |name: &str| schema.get(name).and_then(Value::as_f64);
    let count = |name: &str| schema.get(name).and_then(Value::as_u64).unwrap_or(1).max(1);
    let kind = schema
        .get("type")
        .and_then(|kind| kind.as_str().or(kind.get(0)?.as_str()));
    match kind {
        _ if depth > MAX_DEPTH => json!(null),
        Some("string") => json!("a".repeat(count("minLength") as usize)),
        Some("boolean") => json!(true),
        Some("integer" | "number") => {
            let least =
                number("minimum").or_else(|| number("exclusiveMinimum").map(|least| least + 1.0));
            json!(least.unwrap_or(1.0))
        }
        Some("array") => {
            let item = schema
                .get("items")
                .map_or_else(|| json!(1), |items| sample(items, depth + 1));
            json!(vec![item; count("minItems").min(MAX_LENGTH) as usize])
        }
        Some("object") => {
            let inner = |name: &&str| {
                let property = schema.get("properties").and_then(|all| all.get(*name));
                let inner =
                    property.map_or_else(|| json!("x"), |property| sample(property, depth + 1));
                ((*name).to_owned(), inner)
            };
            Value::Object(texts(schema.get("required")).iter().map(inner).collect())
        }
        _ => first("oneOf")
            .or_else(|| first("anyOf"))
            .map_or_else(|| json!(1), |branch| sample(branch, depth + 1)),
    }
}

/// A few configurations that have between them what all examples have.
fn bases(examples: &[Value], schema: &Value) -> Vec<Value> {
    let mut bases: Vec<Value> = Vec::new();
    for example in examples {
        let fields = example.as_object().unwrap();
        if bases
            .iter()
            .any(|base| fields.keys().all(|name| base.get(name).is_some()))
        {
            continue;
        }
        let joined = bases.iter_mut().any(|base| {
            let mut both = base.clone();
            both.as_object_mut().unwrap().extend(fields.clone());
            let fits = schema::check(schema, &mut both.clone()).is_ok();
            if fits {
                *base = both;
            }
            fits
        });
        if !joined {
            bases.push(example.clone());
        }
    }
    if bases.is_empty() {
        bases.push(json!({}));
    }
    bases
}

/// All variants of the examples of one part of one plugin, each once.
pub(super) fn documents(examples: &[Value], schema: &Value) -> Vec<Value> {
    let mut seen = HashSet::new();
    let bases = bases(examples, schema);
    let all = bases.iter().flat_map(|base| {
        let mut all = vec![base.clone()];
        all.extend(variants(schema, base, 0));
        all
    });
    all.filter(|doc| seen.insert(doc.to_string())).collect()
}
