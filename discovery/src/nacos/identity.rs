//! Who we are to Nacos: a login whose token is renewed in time, or a signature for each request.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Deserialize;
use sha1::Sha1;
use tokio::time::Instant;
use weir_model::registry::Nacos as Config;

use super::Topic;
use crate::Error;
use crate::credentials::{self, Environment};
use crate::http::Servers;

/// What a login answers.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Login {
    access_token: String,
    /// Seconds.
    token_ttl: u64,
}

/// A token, until it must be renewed.
pub(super) struct Token {
    pub(super) value: String,
    renew: Instant,
}

impl Token {
    /// Renewed when a fifth of its life is left.
    pub(super) fn new(login: Login, now: Instant) -> Self {
        Self {
            value: login.access_token,
            renew: now + Duration::from_secs(login.token_ttl) * 4 / 5,
        }
    }

    /// Its text, while it is good.
    pub(super) fn good(&self, now: Instant) -> Option<String> {
        (now < self.renew).then(|| self.value.clone())
    }
}

/// The credentials of a document.
pub(super) struct Identity {
    /// User and password.
    pub(super) login: Option<(String, String)>,
    /// Access key and its secret.
    key: Option<(String, String)>,
}

impl Identity {
    pub(super) fn new(
        config: &Config,
        servers: &Servers,
        env: Environment<'_>,
    ) -> Result<Self, Error> {
        let resolve = |field, text| credentials::resolve(field, text, env);
        let stated = (
            config.username.clone(),
            resolve("password", &config.password)?,
        );
        let login = if stated.0.is_empty() {
            servers
                .login()
                .map(|(user, password)| Ok((user.clone(), resolve("password of host", password)?)))
        } else {
            Some(Ok(stated))
        };
        let key = (
            config.access_key.clone(),
            resolve("secret_key", &config.secret_key)?,
        );
        if key.0.is_empty() != key.1.is_empty() {
            return Err(Error::config("access_key and secret_key go together"));
        }
        Ok(Self {
            login: login.transpose()?,
            key: (!key.0.is_empty()).then_some(key),
        })
    }

    /// What signs a request about a service, as names and values.
    pub(super) fn signature(&self, topic: &Topic) -> HashMap<String, String> {
        let Some((access, secret)) = &self.key else {
            return HashMap::new();
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now_ms = now.map_or(0, |now| now.as_millis());
        let data = format!("{now_ms}@@{}@@{}", topic.group, topic.service);
        let signature = sign(secret, &data);
        [
            ("ak", access.clone()),
            ("data", data),
            ("signature", signature),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }
}

/// HMAC-SHA1 in base64.
fn sign(secret: &str, data: &str) -> String {
    // Keys of any length are taken.
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(secret.as_bytes()) else {
        return String::new();
    };
    mac.update(data.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use weir_model::registry::{Backend, Registry as Document};

    use super::*;

    fn identity(fields: serde_json::Value) -> Result<Identity, Error> {
        let mut spec = json!({"type": "nacos", "host": ["http://u:p%40ss@127.0.0.1:8848"]});
        for (name, value) in fields.as_object().unwrap() {
            spec[name] = value.clone();
        }
        let Backend::Nacos(config) = Document::parse(&spec).unwrap().backend else {
            panic!("expected nacos");
        };
        let servers = Servers::parse(&config.host).unwrap();
        Identity::new(&config, &servers, &|name| {
            (name == "HUSH").then(|| "hush".to_owned())
        })
    }

    #[test]
    fn logins_come_from_the_document_or_the_url() {
        let pair = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
        assert_eq!(identity(json!({})).unwrap().login, pair("u", "p@ss"));
        let stated = identity(json!({"username": "me", "password": "$env://HUSH"}));
        assert_eq!(stated.unwrap().login, pair("me", "hush"));
        assert!(identity(json!({"username": "me", "password": "$env://NONE"})).is_err());
        let half = identity(json!({"access_key": "a"})).err().unwrap();
        assert_eq!(half.to_string(), "access_key and secret_key go together");
    }

    #[test]
    fn requests_are_signed_over_time_group_and_service() {
        // Checked with: printf '...' | openssl dgst -sha1 -hmac secret -binary | base64
        assert_eq!(
            sign("secret", "1@@DEFAULT_GROUP@@web"),
            "qXLaBLIhgOVq5FiXz68RBPWjJnA="
        );
        let identity = identity(json!({"access_key": "a", "secret_key": "secret"})).unwrap();
        let topic = Topic {
            namespace: "public".into(),
            group: "G".into(),
            service: "web".into(),
        };
        let signed = identity.signature(&topic);
        assert_eq!(signed["ak"], "a");
        assert!(signed["data"].ends_with("@@G@@web"), "{}", signed["data"]);
        assert_eq!(signed["signature"], sign("secret", &signed["data"]));
    }

    #[test]
    fn tokens_are_renewed_before_they_end() {
        let now = Instant::now();
        let login = Login {
            access_token: "t".to_owned(),
            token_ttl: 100,
        };
        let token = Token::new(login, now);
        assert!(token.good(now + Duration::from_secs(79)).is_some());
        assert!(token.good(now + Duration::from_secs(81)).is_none());
    }
}
