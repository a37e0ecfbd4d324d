//! Credentials as documents state them: written out, or a reference.

use serde_json::Value;
use weir_model::secret::SecretPlace;

use crate::Error;

/// Reads an environment variable; a parameter, so that tests need not set any.
pub type Environment<'a> = &'a (dyn Fn(&str) -> Option<String> + Send + Sync);

/// The value that `text` stands for: `$env://NAME` is the environment variable `NAME` of this
/// process, `$env://NAME/KEY` what the JSON in it has there, everything else the value itself.
///
/// # Errors
/// A variable that is not set, and references to secret managers: those were replaced before, see
/// [`crate::reveal`].
pub(crate) fn resolve(field: &str, text: &str, env: Environment<'_>) -> Result<String, Error> {
    let lower = text.get(..7).map(str::to_ascii_lowercase);
    if lower.as_deref() == Some("$env://") {
        let name = text.get(7..).unwrap_or_default();
        return variable(name, env).map_err(|why| Error::config(format!("{field}: {why}")));
    }
    if SecretPlace::is_meant(text) {
        let message = "secret managers are asked only for registries that are objects, by control nodes; use $env://NAME";
        return Err(Error::config(format!("{field}: {message}")));
    }
    Ok(text.to_owned())
}

/// The variable `NAME`, or with `NAME/KEY/...` what the JSON in it has there.
fn variable(name: &str, env: Environment<'_>) -> Result<String, String> {
    let (name, keys) = name.split_once('/').unwrap_or((name, ""));
    let text = env(name).ok_or_else(|| format!("environment variable {name} is not set"))?;
    if keys.is_empty() {
        return Ok(text);
    }
    let document: Value = serde_json::from_str(&text)
        .map_err(|_| format!("environment variable {name} is not JSON, expected {keys} in it"))?;
    let found = keys.split('/').try_fold(&document, |at, key| at.get(key));
    match found {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        _ => Err(format!("environment variable {name} has no text at {keys}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_lead_to_the_environment() {
        let env: Environment<'_> = &|name| (name == "TOKEN").then(|| "hush".to_owned());
        assert_eq!(resolve("token", "plain", env).unwrap(), "plain");
        assert_eq!(resolve("token", "$env://TOKEN", env).unwrap(), "hush");
        assert_eq!(resolve("token", "$ENV://TOKEN", env).unwrap(), "hush");
        let error = resolve("token", "$env://OTHER", env)
            .unwrap_err()
            .to_string();
        assert_eq!(error, "token: environment variable OTHER is not set");
        assert!(resolve("token", "$secret://vault/1/x", env).is_err());
    }

    #[test]
    fn a_variable_may_hold_json() {
        let env: Environment<'_> = &|name| match name {
            "CONSUL" => Some(r#"{"token": "hush", "more": {"port": 7}}"#.to_owned()),
            "TOKEN" => Some("hush".to_owned()),
            _ => None,
        };
        let read = |text| resolve("token", text, env).map_err(|error| error.message);
        assert_eq!(read("$env://CONSUL/token").as_deref(), Ok("hush"));
        assert_eq!(read("$env://CONSUL/more/port").as_deref(), Ok("7"));
        for (text, told) in [
            (
                "$env://CONSUL/other",
                "token: environment variable CONSUL has no text at other",
            ),
            (
                "$env://CONSUL/more",
                "token: environment variable CONSUL has no text at more",
            ),
            (
                "$env://TOKEN/x",
                "token: environment variable TOKEN is not JSON, expected x in it",
            ),
        ] {
            assert_eq!(read(text).unwrap_err(), told);
        }
    }
}
