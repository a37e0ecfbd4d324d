//! What claims must say.

use serde_json::{Value, json};
use weir_model::schema::Compiled as Schema;

use super::config::Config;
use super::options::Audience;
use crate::embedded_schema;
use crate::jwt::{Demand, Token, is_timely};

/// The rules of one configuration.
pub(super) struct Rules {
    client_id: String,
    /// Empty: the provider's own.
    issuers: Vec<String>,
    audience: Option<Audience>,
    required_scopes: Vec<String>,
    schema: Option<Schema>,
    /// The one algorithm of tokens, when one is set.
    pub(super) algorithm: Option<String>,
    slack: u64,
}

/// Why a token or an answer is refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The token is not good: 401.
    Invalid(String),
    /// It is good, but not for this: 403 with this error.
    Insufficient(&'static str),
    /// What is known of the user does not fit the schema: 401.
    Claims(String),
}

impl Rules {
    /// # Errors
    /// What in `claim_schema` does not work, and where.
    pub(super) fn compile(config: &Config) -> Result<Self, String> {
        let validator = config.claim_validator.clone().unwrap_or_default();
        let issuers = validator.issuer.and_then(|issuer| issuer.valid_issuers);
        let schema = config.claim_schema.clone().map(Value::Object);
        let schema = schema.as_ref().map(embedded_schema::compile).transpose();
        Ok(Self {
            client_id: config.client_id.clone(),
            issuers: issuers.unwrap_or_default(),
            audience: validator.audience,
            required_scopes: config.required_scopes.clone().unwrap_or_default(),
            schema: schema.map_err(|error| format!("claim_schema: {error}"))?,
            algorithm: config.token_signing_alg_values_expected.clone(),
            slack: u64::try_from(config.iat_slack).unwrap_or(0),
        })
    }

    /// Whether the issuer of a bearer token must be looked up.
    pub(super) fn names_no_issuers(&self) -> bool {
        self.issuers.is_empty()
    }

    /// Whether a token is signed in the way that is expected.
    pub(super) fn expects(&self, token: &Token<'_>) -> bool {
        let expected = self.algorithm.as_ref();
        expected.is_none_or(|expected| *expected == token.algorithm_name())
    }

    /// Checks the times and the issuer of a bearer token.
    pub(super) fn bearer(
        &self,
        claims: &Value,
        issuer: Option<&str>,
        now: u64,
    ) -> Result<(), Fault> {
        let fault = |text: &str| Err(Fault::Invalid(text.to_owned()));
        if !is_timely(claims, now, self.slack, Demand::Optional, Demand::Optional) {
            return fault("jwt is expired, or not valid yet");
        }
        if self.is_from_the_future(claims, now) {
            return fault("jwt was issued in the future");
        }
        match claims.get("iss") {
            None if self.issuers.is_empty() => Ok(()),
            Some(Value::String(by)) => {
                let is_known = if self.issuers.is_empty() {
                    issuer.is_none_or(|issuer| issuer == by)
                } else {
                    self.issuers.contains(by)
                };
                if is_known {
                    Ok(())
                } else {
                    fault("jwt has another issuer")
                }
            }
            _ => fault("jwt has no issuer"),
        }
    }

    fn is_from_the_future(&self, claims: &Value, now: u64) -> bool {
        let issued = claims.get("iat").and_then(Value::as_f64);
        issued.is_some_and(|issued| issued > now.saturating_add(self.slack) as f64)
    }

    /// Checks scopes, audience and schema of a bearer token.
    pub(super) fn sufficient(&self, claims: &Value) -> Result<(), Fault> {
        let scopes = scopes(claims);
        let mut required = self.required_scopes.iter();
        if !required.all(|scope| scopes.contains(&scope.as_str())) {
            return Err(Fault::Insufficient("required scopes not present"));
        }
        if let Some(rule) = &self.audience {
            match claims.get(&rule.claim) {
                None | Some(Value::Null) if rule.required => {
                    return Err(Fault::Insufficient("required audience claim not present"));
                }
                Some(value) if rule.match_with_client_id && !names(value, &self.client_id) => {
                    return Err(Fault::Insufficient("mismatched audience"));
                }
                _ => {}
            }
        }
        self.schema(claims)
    }

    /// Checks what is known of a user against the schema.
    pub(super) fn schema(&self, known: &Value) -> Result<(), Fault> {
        let Some(schema) = &self.schema else {
            return Ok(());
        };
        let mut known = known.clone();
        let checked = schema.check(&mut known);
        checked.map_err(|problem| Fault::Claims(problem.message))
    }

    /// Whether there is a schema.
    pub(super) fn has_schema(&self) -> bool {
        self.schema.is_some()
    }

    /// Checks an ID token whose signature is good (OpenID Connect Core section 3.1.3.7).
    pub(super) fn id_token(
        &self,
        claims: &Value,
        issuer: Option<&str>,
        nonce: Option<&str>,
        now: u64,
    ) -> Result<(), String> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let by = text("iss").ok_or("the ID token has no issuer")?;
        let is_known = if self.issuers.is_empty() {
            Some(by) == issuer
        } else {
            self.issuers.iter().any(|issuer| issuer == by)
        };
        if !is_known {
            return Err(format!("the ID token is of issuer {by:?}"));
        }
        let audience = claims.get("aud").unwrap_or(&Value::Null);
        if !names(audience, &self.client_id) {
            return Err("the ID token is for another client".into());
        }
        if text("azp").is_some_and(|party| party != self.client_id) {
            return Err("the ID token was made for another client".into());
        }
        if text("sub").is_none_or(str::is_empty) {
            return Err("the ID token names no user".into());
        }
        if !is_timely(claims, now, self.slack, Demand::Required, Demand::Optional) {
            return Err("the ID token is expired, or not valid yet".into());
        }
        if claims.get("iat").is_none() || self.is_from_the_future(claims, now) {
            return Err("the ID token was issued in the future, or does not say when".into());
        }
        if nonce.is_some() && text("nonce") != nonce {
            return Err("the ID token is for another login".into());
        }
        Ok(())
    }
}

/// Whether a text is, or a list has, `wanted`.
fn names(value: &Value, wanted: &str) -> bool {
    match value {
        Value::String(text) => text == wanted,
        Value::Array(items) => items.iter().any(|item| item == wanted),
        _ => false,
    }
}

/// Scopes of a token: a text with spaces, or a list.
fn scopes(claims: &Value) -> Vec<&str> {
    let claim = claims.get("scope").or_else(|| claims.get("scp"));
    match claim {
        Some(Value::String(text)) => text.split_ascii_whitespace().collect(),
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// The body of a 403.
pub(super) fn body(error: &str) -> Value {
    json!({ "error": error })
}
