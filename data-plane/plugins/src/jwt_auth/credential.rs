//! What a consumer or credential says of its tokens.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use weir_model::secret::is_reference;

use crate::jwt::{Algorithm, VerifyKey};

/// A consumer's part, ready to verify with.
pub(super) struct Credential {
    /// The key with its algorithm.
    pub(super) key: VerifyKey,
    /// Seconds by which clocks may differ.
    pub(super) leeway: u64,
}

impl Credential {
    /// Reads the part.
    ///
    /// # Errors
    /// What is wrong with it, in APISIX's words.
    pub(super) fn read(config: &Value) -> Result<Self, String> {
        let text = |name: &str| config.get(name).and_then(Value::as_str);
        let name = text("algorithm").unwrap_or("HS256");
        let algorithm =
            Algorithm::named(name).ok_or_else(|| format!("unknown algorithm {name:?}"))?;
        let key = if algorithm.is_symmetric() {
            let secret = text("secret")
                .ok_or("property \"secret\" is required when using HS based algorithms")?;
            let encoded = config.get("base64_secret") == Some(&Value::Bool(true));
            VerifyKey::secret(algorithm, &secret_bytes(secret, encoded)?)
        } else {
            text("public_key").and_then(|pem| VerifyKey::public_pem(algorithm, pem))
        };
        let leeway = config.get("lifetime_grace_period").and_then(Value::as_u64);
        Ok(Self {
            key: key.ok_or("missing valid public key")?,
            leeway: leeway.unwrap_or_default(),
        })
    }

    /// Checks a part before it is stored: what a reference stands for is not known then.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn check(config: &Value) -> Result<(), String> {
        let refers = |name: &str| {
            let text = config.get(name).and_then(Value::as_str);
            text.is_some_and(is_reference)
        };
        if refers("secret") || refers("public_key") {
            return Ok(());
        }
        Self::read(config).map(drop)
    }
}

fn secret_bytes(secret: &str, encoded: bool) -> Result<Vec<u8>, String> {
    if !encoded {
        return Ok(secret.as_bytes().to_vec());
    }
    STANDARD
        .decode(secret)
        .map_err(|_| "base64_secret required but the secret is not in base64 format".to_owned())
}
