//! Proofs that whoever asks for a token, or shows one, has the key that it is bound to: DPoP
//! (RFC 9449).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Map, Value, json};
use weir_plugin_api::Host;
use weir_plugin_api::outside::{HttpAnswer, HttpCall};

use super::options::Dpop;
use super::provider;
use super::seal::random_text;
use crate::jwt::{KeySet, SigningKey, Token};

const PROOF: HeaderName = HeaderName::from_static("dpop");
const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// Bytes of a nonce at most.
const LONGEST_NONCE: usize = 1024;

/// What makes proofs.
pub(super) struct Proofs {
    key: SigningKey,
    /// Of each proof: type, algorithm and public key.
    header: Value,
    /// The last nonce of each server, by host and port.
    nonces: Mutex<HashMap<String, String>>,
}

impl Proofs {
    /// # Errors
    /// The keys cannot work, or do not fit each other.
    pub(super) fn compile(config: &Dpop) -> Result<Self, String> {
        let algorithm = &config.signing_alg;
        let pem = config.private_key.as_deref().unwrap_or_default();
        let key = SigningKey::private_pem(algorithm, pem, None)
            .map_err(|error| format!("dpop.private_key: {error}"))?;
        let public = config.public_jwk.clone().unwrap_or_default();
        let header = json!({"typ": "dpop+jwt", "alg": algorithm, "jwk": public});
        let sample = key.sign_with(&header, &json!({}))?;
        let known = KeySet::read(&json!({ "keys": [public] }))?;
        if !Token::parse(&sample).is_some_and(|token| known.has_signed(&token)) {
            return Err(format!(
                "dpop.public_jwk: expected the public part of dpop.private_key, for {algorithm}"
            ));
        }
        Ok(Self {
            key,
            header,
            nonces: Mutex::default(),
        })
    }

    /// Calls with a proof, which is bound to `token` where one is shown; once more when the server wants
    /// a nonce in it (RFC 9449 section 8).
    ///
    /// # Errors
    /// There is no answer, or it is no JSON object.
    pub(super) async fn json(
        &self,
        host: &dyn Host,
        call: HttpCall,
        token: Option<&str>,
    ) -> Result<Value, String> {
        let outside = host.outside();
        let now = host.unix_ms() / 1000;
        let answer = outside.http(self.prove(call.clone(), token, now)?).await;
        let answer = answer.map_err(|error| error.to_string())?;
        let is_new = self.learn(&call, &answer);
        if !(is_new && wants_nonce(&answer)) {
            return provider::read(&answer);
        }
        let answer = outside.http(self.prove(call, token, now)?).await;
        provider::read(&answer.map_err(|error| error.to_string())?)
    }

    /// A call with its proof (RFC 9449 section 4.2).
    fn prove(&self, mut call: HttpCall, token: Option<&str>, now: u64) -> Result<HttpCall, String> {
        let place = call.uri.to_string();
        let place = place.split('?').next().unwrap_or_default();
        let mut claims = Map::new();
        let jti = random_text().ok_or("there is no randomness")?;
        claims.insert("jti".into(), jti.into());
        claims.insert("htm".into(), call.method.as_str().into());
        claims.insert("htu".into(), place.into());
        claims.insert("iat".into(), now.into());
        if let Some(token) = token {
            let hash = digest::digest(&digest::SHA256, token.as_bytes());
            claims.insert("ath".into(), URL_SAFE_NO_PAD.encode(hash).into());
        }
        let nonces = self.nonces.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(nonce) = server(&call).and_then(|server| nonces.get(server)) {
            claims.insert("nonce".into(), nonce.as_str().into());
        }
        drop(nonces);
        let proof = self.key.sign_with(&self.header, &Value::Object(claims))?;
        let proof = HeaderValue::try_from(proof).map_err(|error| error.to_string())?;
        call.headers.insert(PROOF, proof);
        Ok(call)
    }

    /// Keeps the nonce of an answer; whether it is another one than before.
    fn learn(&self, call: &HttpCall, answer: &HttpAnswer) -> bool {
        let nonce = answer.headers.get(NONCE).and_then(|it| it.to_str().ok());
        let nonce = nonce.filter(|nonce| nonce.len() <= LONGEST_NONCE);
        let (Some(nonce), Some(server)) = (nonce, server(call)) else {
            return false;
        };
        let mut nonces = self.nonces.lock().unwrap_or_else(PoisonError::into_inner);
        let before = nonces.insert(server.to_owned(), nonce.to_owned());
        before.as_deref() != Some(nonce)
    }
}

fn server(call: &HttpCall) -> Option<&str> {
    call.uri.authority().map(http::uri::Authority::as_str)
}

/// Whether the answer is that the proof lacks the right nonce, from where tokens are given (section 8)
/// or where they are shown (section 9).
fn wants_nonce(answer: &HttpAnswer) -> bool {
    match answer.status {
        StatusCode::BAD_REQUEST => {
            let said: Option<Value> = serde_json::from_slice(&answer.body).ok();
            said.is_some_and(|said| said.get("error").is_some_and(|is| is == "use_dpop_nonce"))
        }
        StatusCode::UNAUTHORIZED => {
            let challenges = answer.headers.get_all(http::header::WWW_AUTHENTICATE);
            let mut challenges = challenges.iter().filter_map(|value| value.to_str().ok());
            challenges.any(|challenge| challenge.contains("use_dpop_nonce"))
        }
        _ => false,
    }
}

/// How an answer is asked for: with a proof where the operator wants it.
pub(super) async fn call(
    proofs: Option<Arc<Proofs>>,
    host: Arc<dyn Host>,
    call: HttpCall,
    token: Option<String>,
) -> Result<Value, String> {
    match proofs {
        Some(proofs) => proofs.json(&*host, call, token.as_deref()).await,
        None => provider::json(&*host.outside(), call).await,
    }
}
