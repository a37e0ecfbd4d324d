//! The examples in the READMEs: there is one for each attribute of each plugin, and each works.

use std::path::Path;

use serde_json::{Map, Value};
use weir_model::{PluginCatalog, PluginPart, schema};
use weir_plugin_api::Entry;

use crate::{BUILTIN, Builtin};

/// The README of a plugin.
pub(super) fn readme(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let path = folder.join(name.replace('-', "_")).join("README.md");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A place for configurations of a plugin, and its schema.
pub(super) fn parts(entry: &Entry) -> Vec<(PluginPart, &Value)> {
    [
        (PluginPart::Config, Some(entry.schema())),
        (PluginPart::Consumer, entry.consumer_schema()),
        (PluginPart::Metadata, entry.metadata_schema()),
    ]
    .into_iter()
    .filter_map(|(part, schema)| Some((part, schema?)))
    .collect()
}

/// The JSON objects of a text, in order.
fn objects(text: &str) -> Vec<Map<String, Value>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find('{') {
        rest = &rest[start..];
        let mut stream = serde_json::Deserializer::from_str(rest).into_iter();
        let taken = match stream.next() {
            Some(Ok(object)) => {
                found.push(object);
                stream.byte_offset()
            }
            _ => 1,
        };
        rest = &rest[taken..];
    }
    found
}

/// The configuration of a plugin inside a resource.
fn inside<'a>(name: &str, object: &'a Map<String, Value>) -> Option<&'a Map<String, Value>> {
    let inner = object.get("plugins").and_then(|plugins| plugins.get(name));
    inner
        .or_else(|| object.get(name))
        .and_then(Value::as_object)
}

/// The configurations of one part that a README shows and that work: on their own, or laid over one
/// that a whole resource has or that works on its own.
pub(super) fn working(entry: &Entry, part: PluginPart, schema: &Value) -> Vec<Value> {
    let shown = objects(&readme(entry.name));
    let of_part = |object: &&Map<String, Value>| {
        let of_consumer = object.contains_key("username") && object.contains_key("plugins");
        of_consumer == (part == PluginPart::Consumer)
    };
    let whole = shown.iter().filter(of_part);
    let whole: Vec<_> = whole
        .filter_map(|object| inside(entry.name, object))
        .collect();
    let works = |config: &Map<String, Value>| {
        let config = Value::Object(config.clone());
        let mut filled = config.clone();
        let fits = schema::check(schema, &mut filled).is_ok();
        (fits && Builtin.check(entry.name, part, &filled).is_ok()).then_some(config)
    };
    let fragments = shown
        .iter()
        .filter(|object| inside(entry.name, object).is_none());
    let alone = fragments.clone().filter(|object| works(object).is_some());
    let bases: Vec<_> = whole.iter().copied().chain(alone).collect();
    let mut found: Vec<Value> = whole.iter().copied().filter_map(works).collect();
    for object in fragments {
        let over = || {
            bases.iter().find_map(|base| {
                let mut config = (*base).clone();
                config.extend(object.clone());
                works(&config)
            })
        };
        found.extend(works(object).or_else(over));
    }
    found
}

/// What this build refuses, whatever stands in it; the README says so.
const REFUSED: [(&str, &str); 1] = [("kafka-logger", "tls")];

#[test]
fn every_attribute_has_an_example_that_works() {
    let mut missing = Vec::new();
    for entry in BUILTIN {
        for (part, schema) in parts(entry) {
            let working = working(entry, part, schema);
            let properties = schema.get("properties").and_then(Value::as_object);
            let without = properties
                .into_iter()
                .flatten()
                .filter(|(name, _)| !working.iter().any(|config| config.get(*name).is_some()))
                .filter(|(name, _)| !REFUSED.contains(&(entry.name, name.as_str())));
            missing.extend(without.map(|(name, _)| format!("{}: {part:?} {name}", entry.name)));
        }
    }
    assert!(
        missing.is_empty(),
        "no example works for\n{}",
        missing.join("\n")
    );
}
