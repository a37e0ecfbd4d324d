//! Values of the agent's environment.

use serde_json::Value;

use super::reference::{Reference, field, filled};

/// The value of a variable, or of one of its fields.
///
/// # Errors
/// Why there is none.
pub(super) fn read(name: &str, key: Option<&str>) -> Result<String, String> {
    let value = std::env::var(name).ok().and_then(filled);
    let value = value.ok_or("the variable is not set, or empty")?;
    let Some(key) = key else {
        return Ok(value);
    };
    let document: Value =
        serde_json::from_str(&value).map_err(|_| "the variable holds no JSON".to_owned())?;
    field(&document, key)
}

/// A setting of a secret manager, which may stand in the environment.
///
/// # Errors
/// Why there is none.
pub(super) fn resolved(text: &str) -> Result<String, String> {
    match Reference::parse(text) {
        None => Ok(text.to_owned()),
        Some(Ok(Reference::Env { name, key })) => read(&name, key.as_deref()),
        Some(_) => Err("a setting of a secret manager may only refer to $env://NAME".into()),
    }
}
