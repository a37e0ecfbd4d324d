//! Access to secret managers. Which manager it is stands in the key: `vault/1`.

use serde::Deserialize;
use serde_json::Value;

use crate::document;
use crate::resource::Key;
use crate::schema;
use crate::validate::Problem;

/// A secret manager with how to reach it.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// HashiCorp Vault.
    Vault(Vault),
    /// AWS Secrets Manager.
    Aws(Aws),
    /// Google Cloud Secret Manager.
    Gcp(Box<Gcp>),
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Tokens and keys stay out of logs.
        f.write_str(match self {
            Secret::Vault(_) => "Secret::Vault(..)",
            Secret::Aws(_) => "Secret::Aws(..)",
            Secret::Gcp(_) => "Secret::Gcp(..)",
        })
    }
}

/// HashiCorp Vault.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct Vault {
    /// Base URL.
    pub uri: String,
    /// Prefix of the key-value engine.
    pub prefix: String,
    /// Access token.
    pub token: String,
    /// Namespace.
    pub namespace: Option<String>,
}

/// AWS Secrets Manager.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct Aws {
    /// Access key.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
    /// Token of a temporary session.
    pub session_token: Option<String>,
    /// Region.
    pub region: String,
    /// Endpoint instead of the region's own.
    pub endpoint_url: Option<String>,
}

/// Google Cloud Secret Manager.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct Gcp {
    /// Account, written here.
    pub auth_config: Option<GcpAccount>,
    /// Account, in a file of the agent.
    pub auth_file: Option<String>,
    /// Whether certificates are verified.
    pub ssl_verify: bool,
}

/// A service account.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct GcpAccount {
    /// E-mail of the account.
    pub client_email: String,
    /// PEM key.
    pub private_key: String,
    /// Project.
    pub project_id: String,
    /// Where tokens come from.
    pub token_uri: String,
    /// Scopes of the token.
    pub scope: Vec<String>,
    /// Where secrets come from.
    pub entries_uri: String,
}

impl Secret {
    /// Reads a document whose key is `MANAGER/ID`.
    ///
    /// # Errors
    /// The first thing that is wrong with it; `invalid secret manager: X` for another manager.
    pub fn parse(key: &Key, spec: &Value) -> Result<Self, Problem> {
        let manager = manager_of(key);
        let schema = schema::secret_schema(manager)
            .ok_or_else(|| Problem::new("", format!("invalid secret manager: {manager}")))?;
        let mut doc = spec.clone();
        schema.check(&mut doc)?;
        match manager {
            "vault" => document::typed(doc).map(Secret::Vault),
            "aws" => document::typed(doc).map(Secret::Aws),
            _ => document::typed(doc).map(|gcp| Secret::Gcp(Box::new(gcp))),
        }
    }
}

/// Where a value is that a secret manager has: `$secret://MANAGER/ID/PATH/KEY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretPlace {
    /// `MANAGER/ID`, as in the key of a secret object.
    pub manager: String,
    /// What the manager calls the group of values.
    pub path: String,
    /// Which of them.
    pub key: String,
}

const SCHEME: &str = "$secret://";
const ENV_SCHEME: &str = "$env://";

impl SecretPlace {
    /// Whether a text refers to a secret manager, be it whole or not; the scheme may have capitals.
    #[must_use]
    pub fn is_meant(text: &str) -> bool {
        begins(text, SCHEME)
    }

    /// Reads a text that [refers](Self::is_meant) to a secret manager; `None` when a part of it is
    /// missing.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let inside = text.get(SCHEME.len()..)?;
        let (kind, rest) = inside.split_once('/')?;
        let (id, rest) = rest.split_once('/')?;
        let (path, key) = rest.rsplit_once('/')?;
        let is_whole = [kind, id, path, key].iter().all(|part| !part.is_empty());
        is_whole.then(|| Self {
            manager: format!("{kind}/{id}"),
            path: path.to_owned(),
            key: key.to_owned(),
        })
    }
}

/// The manager in the key of a secret.
#[must_use]
pub fn manager_of(key: &Key) -> &str {
    key.id
        .split_once('/')
        .map_or(&*key.id, |(manager, _)| manager)
}

/// Whether a text stands for something that agents fetch: `$secret://...` or `$env://...`.
#[must_use]
pub fn is_reference(text: &str) -> bool {
    SecretPlace::is_meant(text) || begins(text, ENV_SCHEME)
}

/// Whether a text has this scheme, in upper or lower case.
fn begins(text: &str, scheme: &str) -> bool {
    let head = text.get(..scheme.len());
    head.is_some_and(|head| head.eq_ignore_ascii_case(scheme))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::resource::Kind;

    #[test]
    fn the_key_names_the_manager() {
        let parse = |id: &str, spec: Value| Secret::parse(&Key::new(Kind::Secret, id), &spec);
        let vault = json!({"uri": "http://v:8200", "prefix": "kv", "token": "hush"});
        let secret = parse("vault/1", vault.clone()).unwrap();
        assert_eq!(format!("{secret:?}"), "Secret::Vault(..)");
        let aws = parse(
            "aws/1",
            json!({"access_key_id": "a", "secret_access_key": "b"}),
        )
        .unwrap();
        assert!(matches!(aws, Secret::Aws(aws) if aws.region == "us-east-1"));
        let gcp = parse("gcp/1", json!({"auth_file": "/x"})).unwrap();
        assert!(matches!(gcp, Secret::Gcp(gcp) if gcp.ssl_verify));
        let problem = parse("safe/1", vault).unwrap_err();
        assert_eq!(problem.message, "invalid secret manager: safe");
    }

    #[test]
    fn references_are_recognised_in_any_case() {
        for text in [
            "$secret://vault/1/a",
            "$SECRET://x",
            "$env://NAME",
            "$ENV://NAME",
        ] {
            assert!(is_reference(text), "{text}");
        }
        for text in ["", "secret://", "$secretx", "-----BEGIN", "$üüüüüü"] {
            assert!(!is_reference(text), "{text}");
        }
    }
}
