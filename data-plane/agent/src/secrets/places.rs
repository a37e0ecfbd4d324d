//! Where documents hold references: in the configurations of plugins, in certificates and keys.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use weir_model::{Kind, Resource};
use weir_plugins::Builtin;

use super::reference::Reference;

/// Values by the text of the reference.
pub(super) type Values = BTreeMap<String, String>;

/// What became of a document.
pub(super) enum Revealed {
    /// All is known.
    Whole(Value),
    /// What is left when plugins that cannot authenticate anybody are taken out.
    Part(Value, String),
    /// A value that is needed is not known: this reference.
    Nothing(String),
}

/// The fields of a kind that may hold references.
fn fields(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Route
        | Kind::Service
        | Kind::PluginConfig
        | Kind::GlobalRule
        | Kind::Consumer
        | Kind::ConsumerGroup
        | Kind::Credential
        | Kind::StreamRoute => &["plugins"],
        Kind::Ssl => &["cert", "key", "certs", "keys"],
        _ => &[],
    }
}

/// The references of a resource.
pub(super) fn references(resource: &Resource) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for field in fields(resource.key.kind) {
        if let Some(value) = resource.spec.get(field) {
            collect(value, &mut found);
        }
    }
    found
}

/// The document of a resource with values in the place of references.
pub(super) fn reveal(resource: &Resource, values: &Values) -> Revealed {
    let kind = resource.key.kind;
    let mut spec = (*resource.spec).clone();
    let mut missing = None;
    for field in fields(kind) {
        let Some(value) = spec.get_mut(field) else {
            continue;
        };
        let authenticates = matches!(kind, Kind::Consumer | Kind::Credential);
        if let (true, Value::Object(plugins)) = (authenticates, &mut *value) {
            plugins.retain(|name, config| match replace(config, values) {
                Err(text) if Builtin.entry(name).is_some_and(|entry| entry.auth) => {
                    missing.get_or_insert(text);
                    false
                }
                _ => true,
            });
        }
        if let Err(text) = replace(value, values) {
            return Revealed::Nothing(text);
        }
    }
    match missing {
        Some(text) => Revealed::Part(spec, text),
        None => Revealed::Whole(spec),
    }
}

fn collect(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) if Reference::parse(text).is_some() => {
            found.insert(text.clone());
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| collect(field, found)),
        _ => {}
    }
}

/// Puts values in the place of references; the first that has none is an error.
fn replace(value: &mut Value, values: &Values) -> Result<(), String> {
    match value {
        Value::String(text) if Reference::parse(text).is_some() => match values.get(text) {
            Some(known) => text.clone_from(known),
            None => return Err(text.clone()),
        },
        Value::Array(items) => {
            for item in items {
                replace(item, values)?;
            }
        }
        Value::Object(fields) => {
            for field in fields.values_mut() {
                replace(field, values)?;
            }
        }
        _ => {}
    }
    Ok(())
}
