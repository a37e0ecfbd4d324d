//! Credentials as documents state them: written out, or a reference.

use crate::Error;

/// Reads an environment variable; a parameter, so that tests need not set any.
pub type Environment<'a> = &'a (dyn Fn(&str) -> Option<String> + Send + Sync);

/// The value that `text` stands for: `$env://NAME` is the environment variable `NAME` of this
/// process, everything else is the value itself.
///
/// # Errors
/// A variable that is not set, and references to secret managers, which are not resolved here.
pub(crate) fn resolve(field: &str, text: &str, env: Environment<'_>) -> Result<String, Error> {
    let lower = text.get(..7).map(str::to_ascii_lowercase);
    if lower.as_deref() == Some("$env://") {
        let name = text.get(7..).unwrap_or_default();
        return env(name).ok_or_else(|| {
            Error::config(format!("{field}: environment variable {name} is not set"))
        });
    }
    if text
        .get(..10)
        .is_some_and(|head| head.eq_ignore_ascii_case("$secret://"))
    {
        let message =
            "references to secret managers are not resolved for registries yet; use $env://NAME";
        return Err(Error::config(format!("{field}: {message}")));
    }
    Ok(text.to_owned())
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
}
