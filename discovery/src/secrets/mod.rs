//! Secrets of secret managers, put in the place of the references to them.

mod vault;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use weir_model::secret::{Secret, SecretPlace};

use crate::{Environment, Error};

/// Finds a secret manager by `MANAGER/ID`; `None` when there is none that can be read.
pub type Managers<'a> = &'a (dyn Fn(&str) -> Option<Secret> + Send + Sync);

/// Whether anything in a document refers to a secret manager.
#[must_use]
pub fn has_secrets(spec: &Value) -> bool {
    let mut found = BTreeSet::new();
    collect(spec, &mut found);
    !found.is_empty()
}

/// The document with every `$secret://MANAGER/ID/PATH/KEY` replaced by what the manager has there.
///
/// # Errors
/// References that lead nowhere, managers of a kind that is not asked yet, and managers that do
/// not answer.
pub async fn reveal(
    spec: &Value,
    managers: Managers<'_>,
    env: Environment<'_>,
) -> Result<Value, Error> {
    let mut found = BTreeSet::new();
    collect(spec, &mut found);
    let mut values = BTreeMap::new();
    for text in found {
        let reference = SecretPlace::parse(text).ok_or_else(|| {
            let message = format!("expected $secret://MANAGER/ID/PATH/KEY, got {text:?}");
            Error::config(message)
        })?;
        let value = match managers(&reference.manager) {
            Some(Secret::Vault(vault)) => vault::read(&vault, &reference, env).await?,
            Some(Secret::Aws(_) | Secret::Gcp(_)) => {
                let message = format!(
                    "{text}: only vault is asked for the secrets of registries yet; use vault or $env://NAME"
                );
                return Err(Error::config(message));
            }
            None => {
                let message = format!("{text}: there is no secret manager {}", reference.manager);
                return Err(Error::config(message));
            }
        };
        values.insert(text.to_owned(), value);
    }
    let mut spec = spec.clone();
    replace(&mut spec, &values);
    Ok(spec)
}

/// The references in a document.
fn collect<'a>(spec: &'a Value, found: &mut BTreeSet<&'a str>) {
    match spec {
        Value::String(text) if SecretPlace::is_meant(text) => {
            found.insert(text);
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| collect(field, found)),
        _ => {}
    }
}

fn replace(spec: &mut Value, values: &BTreeMap<String, String>) {
    match spec {
        Value::String(text) => {
            if let Some(value) = values.get(text) {
                text.clone_from(value);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, values)),
        Value::Object(fields) => fields.values_mut().for_each(|field| replace(field, values)),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
