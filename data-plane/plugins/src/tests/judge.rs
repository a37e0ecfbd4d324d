//! A second reading of JSON schemas, as plain as can be, to hold the checker of the model against.
//!
//! It is draft 7, with what APISIX's validator does differently: defaults are written before
//! conditions are judged, something empty is both object and array, 1.0 is an integer, `required: []`
//! asks for something empty, and there is the type `table`.

use regex::bytes::RegexBuilder;
use serde_json::{Map, Value};
use weir_model::field::pattern::Pattern;

/// Whether a document fits, with defaults written into it.
pub(super) fn fits(schema: &Value, doc: &mut Value) -> bool {
    let Value::Object(schema) = schema else {
        return *schema != Value::Bool(false);
    };
    has_type(schema.get("type"), doc)
        && fits_as_object(schema, doc)
        && fits_as_array(schema, doc)
        && fits_as_text(schema, doc)
        && fits_as_number(schema, doc)
        && fits_as_a_whole(schema, doc)
}

/// Whether two documents are the same to a program in Lua.
pub(super) fn same(one: &Value, two: &Value) -> bool {
    match (one, two) {
        (Value::Number(one), Value::Number(two)) => one.as_f64() == two.as_f64(),
        (Value::Array(one), Value::Array(two)) => {
            one.len() == two.len() && one.iter().zip(two).all(|(one, two)| same(one, two))
        }
        (Value::Object(one), Value::Object(two)) => {
            one.len() == two.len()
                && one
                    .iter()
                    .all(|(name, value)| two.get(name).is_some_and(|other| same(value, other)))
        }
        _ => one == two || (is_empty(one) && is_empty(two)),
    }
}

fn is_empty(doc: &Value) -> bool {
    *doc == Value::Array(Vec::new()) || *doc == Value::Object(Map::new())
}

fn has_type(types: Option<&Value>, doc: &mut Value) -> bool {
    let names = match types {
        None => return true,
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        Some(name) => vec![name.as_str().unwrap()],
    };
    names.into_iter().any(|name| match name {
        "object" | "array" | "table" if is_empty(doc) => {
            match name {
                "object" => *doc = Value::Object(Map::new()),
                "array" => *doc = Value::Array(Vec::new()),
                _ => {}
            }
            true
        }
        "object" => doc.is_object(),
        "array" => doc.is_array(),
        "table" => doc.is_object() || doc.is_array(),
        "string" => doc.is_string(),
        "boolean" => doc.is_boolean(),
        "null" => doc.is_null(),
        "number" => doc.is_number(),
        "integer" => doc.as_f64().is_some_and(|number| number.fract() == 0.0),
        other => panic!("type {other}"),
    })
}

fn fits_as_object(schema: &Map<String, Value>, doc: &mut Value) -> bool {
    let about_objects = [
        "properties",
        "required",
        "dependencies",
        "patternProperties",
        "additionalProperties",
        "minProperties",
        "maxProperties",
    ];
    if !about_objects.iter().any(|name| schema.contains_key(*name)) {
        return true;
    }
    let empty = is_empty(doc);
    let mut fields = match doc {
        Value::Object(fields) => std::mem::take(fields),
        _ if empty => Map::new(),
        _ => return true,
    };
    let fit = fields_fit(schema, &mut fields);
    if !fields.is_empty() || doc.is_object() {
        *doc = Value::Object(fields);
    }
    fit
}

fn fields_fit(schema: &Map<String, Value>, fields: &mut Map<String, Value>) -> bool {
    let none = Map::new();
    let map = |name| schema.get(name).and_then(Value::as_object).unwrap_or(&none);
    let sent = fields.clone();
    if schema.get("required") == Some(&Value::Array(Vec::new())) && !sent.is_empty() {
        return false;
    }
    let required = texts(schema.get("required"));
    if !required.iter().all(|name| sent.contains_key(*name)) {
        return false;
    }
    for (name, property) in map("properties") {
        if let Some(value) = fields.get_mut(name) {
            if !fits(property, value) {
                return false;
            }
        } else if let Some(default) = property.get("default") {
            fields.insert(name.clone(), default.clone());
        }
    }
    for (name, needs) in map("dependencies") {
        let fit = match needs {
            _ if !sent.contains_key(name) => true,
            Value::Array(_) => texts(Some(needs)).iter().all(|n| fields.contains_key(*n)),
            needs => {
                let mut whole = Value::Object(std::mem::take(fields));
                let fit = fits(needs, &mut whole);
                whole.as_object().unwrap().clone_into(fields);
                fit
            }
        };
        if !fit {
            return false;
        }
    }
    for (name, value) in fields.iter_mut() {
        let mut declared = map("properties").contains_key(name);
        for (source, property) in map("patternProperties") {
            if matches(source, name) {
                declared = true;
                if !fits(property, value) {
                    return false;
                }
            }
        }
        if let Some(rest) = schema.get("additionalProperties")
            && !declared
            && !fits(rest, value)
        {
            return false;
        }
    }
    within(schema, "minProperties", "maxProperties", fields.len())
}

fn fits_as_array(schema: &Map<String, Value>, doc: &mut Value) -> bool {
    let empty = is_empty(doc);
    let mut none = Vec::new();
    let items = match doc {
        Value::Array(items) => items,
        _ if empty => &mut none,
        _ => return true,
    };
    let about_arrays = ["items", "minItems", "maxItems", "uniqueItems"];
    if !about_arrays.iter().any(|name| schema.contains_key(*name)) {
        return true;
    }
    let fit = match schema.get("items") {
        None => true,
        Some(Value::Array(tuple)) if !tuple.is_empty() => {
            tuple.iter().zip(&mut *items).all(|(s, item)| fits(s, item))
        }
        Some(each) => items.iter_mut().all(|item| fits(each, item)),
    };
    let unique = schema.get("uniqueItems") != Some(&Value::Bool(true))
        || (0..items.len()).all(|at| !items[..at].iter().any(|other| same(other, &items[at])));
    fit && unique && within(schema, "minItems", "maxItems", items.len())
}

fn fits_as_text(schema: &Map<String, Value>, doc: &Value) -> bool {
    let Some(text) = doc.as_str() else {
        return true;
    };
    let pattern = schema.get("pattern").and_then(Value::as_str);
    within(schema, "minLength", "maxLength", text.chars().count())
        && pattern.is_none_or(|pattern| matches(pattern, text))
        && match schema.get("format").and_then(Value::as_str) {
            Some("ipv4") => text.parse::<std::net::Ipv4Addr>().is_ok(),
            Some("ipv6") => text.parse::<std::net::Ipv6Addr>().is_ok(),
            _ => true,
        }
}

fn fits_as_number(schema: &Map<String, Value>, doc: &Value) -> bool {
    let Some(number) = doc.as_f64() else {
        return true;
    };
    let bound = |name: &str, fits: fn(f64, f64) -> bool| {
        let bound = schema.get(name).and_then(Value::as_f64);
        bound.is_none_or(|bound| fits(number, bound))
    };
    bound("minimum", |number, least| number >= least)
        && bound("maximum", |number, most| number <= most)
        && bound("exclusiveMinimum", |number, least| number > least)
        && bound("exclusiveMaximum", |number, most| number < most)
        && bound("multipleOf", |number, of| number % of == 0.0)
}

fn fits_as_a_whole(schema: &Map<String, Value>, doc: &mut Value) -> bool {
    let list = |name| schema.get(name).and_then(Value::as_array);
    if list("enum").is_some_and(|all| !all.iter().any(|one| same(one, doc))) {
        return false;
    }
    let mut all = list("allOf").into_iter().flatten();
    if !all.all(|branch| fits(branch, doc)) {
        return false;
    }
    if let Some(branches) = list("anyOf") {
        let fit = branches.iter().find_map(|branch| tried(branch, doc));
        match fit {
            Some(filled) => *doc = filled,
            None => return false,
        }
    }
    if let Some(branches) = list("oneOf") {
        let mut fit: Vec<_> = branches.iter().filter_map(|b| tried(b, doc)).collect();
        match (fit.pop(), fit.is_empty()) {
            (Some(filled), true) => *doc = filled,
            _ => return false,
        }
    }
    if schema
        .get("not")
        .is_some_and(|not| tried(not, doc).is_some())
    {
        return false;
    }
    if let Some(condition) = schema.get("if") {
        let branch = match tried(condition, doc) {
            Some(_) => schema.get("then"),
            None => schema.get("else"),
        };
        if !branch.is_none_or(|branch| fits(branch, doc)) {
            return false;
        }
    }
    if schema.get("const").is_some_and(|only| !same(only, doc)) {
        return false;
    }
    match (schema.get("contains"), &*doc) {
        (Some(one), Value::Array(items)) => items.iter().any(|item| tried(one, item).is_some()),
        _ => true,
    }
}

/// The document with defaults, when it fits.
fn tried(schema: &Value, doc: &Value) -> Option<Value> {
    let mut copy = doc.clone();
    fits(schema, &mut copy).then_some(copy)
}

fn within(schema: &Map<String, Value>, least: &str, most: &str, count: usize) -> bool {
    let bound = |name: &str| schema.get(name).and_then(Value::as_u64);
    let count = count as u64;
    bound(least).is_none_or(|least| count >= least) && bound(most).is_none_or(|most| count <= most)
}

fn matches(pattern: &str, text: &str) -> bool {
    // What stands in PCRE for what the engine has no word for is read by the model alone.
    // Classes are those of ASCII, as in the original's patterns.
    match RegexBuilder::new(pattern).unicode(false).build() {
        Ok(regex) => regex.is_match(text.as_bytes()),
        Err(_) => Pattern::parse(pattern).unwrap().is_match(text),
    }
}

pub(super) fn texts(list: Option<&Value>) -> Vec<&str> {
    let list = list.and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}
