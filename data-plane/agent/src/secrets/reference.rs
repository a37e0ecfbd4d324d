//! `$env://NAME[/KEY]` and `$secret://MANAGER/ID/PATH/KEY`. Pure.

use serde_json::Value;
use weir_model::secret::SecretPlace;

const ENV: &str = "$env://";

/// Where a value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reference {
    /// A variable of the agent's environment, and which field of it when it is a JSON object.
    Env {
        /// The variable.
        name: String,
        /// The field.
        key: Option<String>,
    },
    /// A value that a secret manager has.
    Secret(SecretPlace),
}

impl Reference {
    /// Reads a reference; `None` when the text is none.
    pub(super) fn parse(text: &str) -> Option<Result<Self, String>> {
        if let Some(inside) = behind_env(text) {
            let (name, key) = match inside.split_once('/') {
                Some((name, key)) => (name, Some(key.to_owned())),
                None => (inside, None),
            };
            let is_whole = !name.is_empty() && key.as_deref() != Some("");
            return Some(if is_whole {
                Ok(Self::Env {
                    name: name.to_owned(),
                    key,
                })
            } else {
                Err("expected $env://NAME or $env://NAME/KEY".to_owned())
            });
        }
        SecretPlace::is_meant(text).then(|| {
            let place = SecretPlace::parse(text).map(Self::Secret);
            place.ok_or_else(|| "expected $secret://MANAGER/ID/PATH/KEY".to_owned())
        })
    }
}

/// What stands behind `$env://`, in upper or lower case.
fn behind_env(text: &str) -> Option<&str> {
    let (head, rest) = text.split_at_checked(ENV.len())?;
    head.eq_ignore_ascii_case(ENV).then_some(rest)
}

/// A value out of the JSON text that a variable or a manager has.
///
/// # Errors
/// There is none. Empty ones are none: they would open doors.
pub(super) fn field(document: &Value, key: &str) -> Result<String, String> {
    let text = match document.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(value @ (Value::Number(_) | Value::Bool(_))) => value.to_string(),
        _ => String::new(),
    };
    filled(text).ok_or_else(|| format!("there is no {key:?} in it, or it is empty"))
}

/// A text that is not empty.
pub(super) fn filled(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn references_are_taken_apart() {
        let env = |name: &str, key: Option<&str>| Reference::Env {
            name: name.into(),
            key: key.map(str::to_owned),
        };
        let parse = |text: &str| Reference::parse(text).unwrap();
        assert_eq!(parse("$env://A"), Ok(env("A", None)));
        assert_eq!(parse("$ENV://A/b/c"), Ok(env("A", Some("b/c"))));
        assert_eq!(
            parse("$secret://vault/1/jack/creds/key"),
            Ok(Reference::Secret(SecretPlace {
                manager: "vault/1".into(),
                path: "jack/creds".into(),
                key: "key".into(),
            }))
        );
        for wrong in [
            "$env://",
            "$env:///a",
            "$env://A/",
            "$secret://vault",
            "$secret://vault/1/a",
            "$secret://vault/1//a",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        for none in ["", "env://A", "see $env://A", "$secret"] {
            assert_eq!(Reference::parse(none), None, "{none}");
        }
    }

    #[test]
    fn empty_values_are_none() {
        let document = json!({"a": "x", "b": "", "c": 7, "d": {}});
        assert_eq!(field(&document, "a"), Ok("x".into()));
        assert_eq!(field(&document, "c"), Ok("7".into()));
        for none in ["b", "d", "e"] {
            assert!(field(&document, none).is_err(), "{none}");
        }
    }
}
