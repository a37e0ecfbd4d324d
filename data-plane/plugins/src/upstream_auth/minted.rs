//! Tokens made for one request each.

use http::{HeaderName, HeaderValue};
use serde_json::{Map, Value};
use weir_model::field::template::Template;
use weir_plugin_api::Context;

use super::config::Jwt;
use crate::header_edit::header_name;
use crate::jwt::SigningKey;

/// Makes tokens.
pub(super) struct Minted {
    pub(super) header: HeaderName,
    key: SigningKey,
    lifetime: u64,
    claims: Vec<(String, Claim)>,
    /// With a space behind it, or empty.
    scheme: String,
}

enum Claim {
    Fixed(Value),
    Text(Template),
}

impl Minted {
    /// # Errors
    /// What cannot work.
    pub(super) fn compile(config: Jwt) -> Result<Self, String> {
        let id = config.key_id;
        let name = &config.algorithm;
        let key = match (&config.secret, &config.private_key) {
            (Some(secret), _) => SigningKey::secret(name, secret.as_bytes(), id),
            (None, Some(pem)) => SigningKey::private_pem(name, pem, id),
            (None, None) => Err("secret or private_key is required".into()),
        };
        let claims = config.claims.unwrap_or_default().into_iter();
        let claims = claims.map(|(name, value)| match value {
            Value::String(text) => (name, Claim::Text(Template::parse(&text))),
            value => (name, Claim::Fixed(value)),
        });
        let scheme = match config.scheme.as_str() {
            "" => String::new(),
            scheme => format!("{scheme} "),
        };
        HeaderValue::from_str(&scheme)
            .map_err(|_| "jwt.scheme must be able to stand in a header".to_owned())?;
        Ok(Self {
            header: header_name("jwt.header", &config.header)?,
            key: key.map_err(|error| format!("jwt: {error}"))?,
            lifetime: config.lifetime,
            claims: claims.collect(),
            scheme,
        })
    }

    /// The value of the header for this request.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn value(&self, context: &Context) -> Result<HeaderValue, String> {
        let now = context.host.unix_ms() / 1000;
        let mut claims = Map::new();
        claims.insert("iss".into(), context.host.hostname().into());
        for (name, claim) in &self.claims {
            let value = match claim {
                Claim::Fixed(value) => value.clone(),
                Claim::Text(template) => {
                    let rendered = template.render(context);
                    // A claim of variables that have no value says nothing.
                    if rendered.resolved == 0 && !template.is_constant() {
                        continue;
                    }
                    rendered.text.into()
                }
            };
            claims.insert(name.clone(), value);
        }
        claims.insert("iat".into(), now.into());
        claims.insert("exp".into(), (now + self.lifetime).into());
        let token = self.key.sign(&Value::Object(claims))?;
        let value = HeaderValue::from_str(&format!("{}{token}", self.scheme));
        let mut value = value.map_err(|error| error.to_string())?;
        value.set_sensitive(true);
        Ok(value)
    }
}
