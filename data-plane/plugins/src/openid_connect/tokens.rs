//! What the token endpoint gives.

use serde_json::Value;

/// Tokens, with when they came.
#[derive(Debug)]
pub(super) struct Tokens {
    pub(super) access: Option<String>,
    pub(super) refresh: Option<String>,
    /// As it is written.
    pub(super) id: Option<String>,
    /// Whether the access token is bound to a key, and shown as such (RFC 9449 section 5).
    pub(super) is_bound: bool,
    /// Seconds for which the access token is good.
    pub(super) expires_in: Option<u64>,
}

impl Tokens {
    /// Reads an answer.
    pub(super) fn read(answer: &Value) -> Self {
        let text = |name: &str| {
            let text = answer.get(name)?.as_str()?;
            (!text.is_empty()).then(|| text.to_owned())
        };
        let expires_in = answer.get("expires_in").and_then(|value| match value {
            Value::String(text) => text.parse().ok(),
            value => value
                .as_u64()
                .or_else(|| value.as_f64().map(|seconds| seconds as u64)),
        });
        Self {
            access: text("access_token"),
            refresh: text("refresh_token"),
            id: text("id_token"),
            is_bound: text("token_type").is_some_and(|kind| kind.eq_ignore_ascii_case("DPoP")),
            expires_in,
        }
    }
}
