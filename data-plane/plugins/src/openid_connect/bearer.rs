//! Bearer tokens: by a key, by the keys of the provider, or by asking the provider.

use std::sync::Arc;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderName, StatusCode, Uri};
use serde_json::Value;
use weir_plugin_api::{Context, Response, Step};

use super::Compiled;
use super::claims::{Fault, body};
use super::provider::read;
use crate::jwt::{Algorithm, Token, VerifyKey};

/// How bearer tokens are checked.
pub(super) enum Check {
    /// By keys of ours, one for each algorithm that they are for.
    Keys(Vec<VerifyKey>),
    /// By the keys of the provider.
    Published,
    /// By asking the provider.
    Introspection(Box<Introspection>),
}

/// How the provider is asked.
pub(super) struct Introspection {
    /// Else where the provider says.
    pub(super) endpoint: Option<Uri>,
    pub(super) client: super::client::Client,
    pub(super) expiry_claim: String,
    /// Seconds for which an answer counts at most; 0 is until the token ends.
    pub(super) interval: u64,
    pub(super) addon_headers: Vec<HeaderName>,
}

/// Why there are no claims.
pub(super) enum Failure {
    Fault(Fault),
    /// It cannot be said whether the token is good.
    Unavailable(String),
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// What a request brings.
pub(super) enum Bearer {
    Token(String),
    Nothing,
    /// `Authorization` is not what it should be.
    Malformed,
}

impl Check {
    /// Keys from a configuration.
    ///
    /// # Errors
    /// It is no key.
    pub(super) fn keys(pem: &str) -> Result<Self, String> {
        let named = |name: &&str| Algorithm::named(name);
        let all = [
            "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512",
            "EdDSA",
        ];
        let all = all.iter().filter_map(named);
        let keys: Vec<VerifyKey> = all
            .filter_map(|name| VerifyKey::public_pem(name, pem))
            .collect();
        if keys.is_empty() {
            return Err("public_key is not a public key in PEM".into());
        }
        Ok(Self::Keys(keys))
    }
}

/// The bearer token of a request: in `Authorization`, else in `X-Access-Token`.
pub(super) fn token(context: &Context) -> Bearer {
    if let Some(value) = context.request.headers.get(AUTHORIZATION) {
        let text = value.to_str().unwrap_or_default();
        let Some((scheme, token)) = text.split_once(' ') else {
            return Bearer::Malformed;
        };
        return match (scheme.eq_ignore_ascii_case("bearer"), token.trim()) {
            (true, "") => Bearer::Malformed,
            (true, token) => Bearer::Token(token.to_owned()),
            (false, _) => Bearer::Nothing,
        };
    }
    match context.header("x-access-token") {
        Some(token) if !token.is_empty() => Bearer::Token(token.to_owned()),
        _ => Bearer::Nothing,
    }
}

impl Compiled {
    /// The claims of a bearer token that is good and good enough.
    pub(super) async fn bearer(
        &self,
        check: &Check,
        context: &Context,
        text: &str,
    ) -> Result<Arc<Value>, Failure> {
        let claims = match check {
            Check::Introspection(how) => self.introspect(how, context, text).await?,
            Check::Keys(_) | Check::Published => Arc::new(self.verify(check, context, text).await?),
        };
        self.rules.sufficient(&claims)?;
        Ok(claims)
    }

    async fn verify(&self, check: &Check, context: &Context, text: &str) -> Result<Value, Failure> {
        let invalid = |text: &str| Failure::Fault(Fault::Invalid(text.to_owned()));
        let token = Token::parse(text).ok_or_else(|| invalid("invalid jwt string"))?;
        if !self.rules.expects(&token) {
            return Err(invalid(
                "jwt is signed by another algorithm than is expected",
            ));
        }
        let is_signed = match check {
            Check::Keys(keys) => keys.iter().any(|key| token.is_signed_by(key)),
            _ => self
                .is_signed_by_provider(context, &token)
                .await
                .map_err(Failure::Unavailable)?,
        };
        if !is_signed {
            return Err(invalid("jwt signature verification failed"));
        }
        let host = &*context.host;
        let mut metadata = None;
        if self.rules.names_no_issuers() && token.claims.get("iss").is_some() {
            let known = self.calls.metadata(&self.provider, host).await;
            metadata = Some(known.map_err(|error| Failure::Unavailable(error.to_string()))?);
        }
        let issuer = metadata.as_ref().and_then(|metadata| metadata.issuer());
        self.rules
            .bearer(&token.claims, issuer, host.unix_ms() / 1000)?;
        Ok(token.claims)
    }

    /// Whether the provider signed a token; its keys are fetched anew when none of those that are
    /// known did.
    ///
    /// # Errors
    /// Its keys are not known.
    pub(super) async fn is_signed_by_provider(
        &self,
        context: &Context,
        token: &Token<'_>,
    ) -> Result<bool, String> {
        if token.algorithm.is_none_or(Algorithm::is_symmetric) {
            return Ok(false);
        }
        let host = &*context.host;
        for anew in [false, true] {
            let keys = self.calls.keys(&self.provider, host, anew).await;
            if keys.map_err(|error| error.to_string())?.has_signed(token) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn introspect(
        &self,
        how: &Introspection,
        context: &Context,
        text: &str,
    ) -> Result<Arc<Value>, Failure> {
        let host = &*context.host;
        let now = host.monotonic();
        // What the provider is told besides may change what it says.
        let mut question = text.to_owned();
        for name in &how.addon_headers {
            for value in context.request.headers.get_all(name) {
                let value = String::from_utf8_lossy(value.as_bytes());
                question.push_str(&format!("\n{name}:{value}"));
            }
        }
        if let Some(known) = self.provider.introspected.get(now, &question) {
            return Ok(known);
        }
        let uri = match &how.endpoint {
            Some(uri) => uri.clone(),
            None => {
                let metadata = self.calls.metadata(&self.provider, host).await;
                let metadata = metadata.map_err(|error| Failure::Unavailable(error.to_string()))?;
                metadata
                    .endpoint("introspection_endpoint")
                    .map_err(Failure::Unavailable)?
            }
        };
        let fields = [("token", text), ("token_type_hint", "access_token")];
        let call = how.client.post(&self.calls, host, uri, &fields);
        let mut call = call.map_err(Failure::Unavailable)?;
        for name in &how.addon_headers {
            for value in context.request.headers.get_all(name) {
                call.headers.append(name.clone(), value.clone());
            }
        }
        let unavailable = |error| Failure::Unavailable(format!("introspection: {error}"));
        let answer = host.outside().http(call).await;
        let answer = answer.map_err(|error| unavailable(error.to_string()))?;
        let said = read(&answer);
        // RFC 6749 section 5.2: the question is none. All of it but the token is the same each time.
        if let Err(problem) = &said
            && answer.status == StatusCode::BAD_REQUEST
        {
            tracing::debug!(%problem, "openid-connect: introspection refuses a token");
            return Err(Fault::Invalid("the provider refuses the token".into()).into());
        }
        let answer = said.map_err(unavailable)?;
        if answer.get("active") != Some(&Value::Bool(true)) {
            return Err(Fault::Invalid("invalid token".into()).into());
        }
        let answer = Arc::new(answer);
        let seconds = host.unix_ms() / 1000;
        if let Some(ends) = answer.get(&how.expiry_claim).and_then(Value::as_f64) {
            let left = ends - seconds as f64;
            if left <= 0.0 {
                return Err(Fault::Invalid("the token is expired".into()).into());
            }
            let mut left = left as u64;
            if how.interval > 0 {
                left = left.min(how.interval);
            }
            let kept = Arc::clone(&answer);
            self.provider
                .introspected
                .get_or(now, &question, Duration::from_secs(left), || kept);
        }
        Ok(answer)
    }

    /// The refusal of a bearer token.
    pub(super) fn refuse(&self, failure: Failure, context: &Context) -> Step<'static> {
        match failure {
            Failure::Fault(Fault::Insufficient(error)) => {
                Step::respond(Response::json(StatusCode::FORBIDDEN, body(error)))
            }
            Failure::Fault(Fault::Invalid(problem)) => {
                tracing::debug!(%problem, "openid-connect: a token is refused");
                Step::respond(self.challenge(Some(("invalid_token", &problem))))
            }
            Failure::Fault(Fault::Claims(problem)) => {
                tracing::debug!(%problem, "openid-connect: claims are refused");
                Step::respond(self.challenge(Some(("invalid_claim", &problem))))
            }
            Failure::Unavailable(problem) => {
                self.complain(context, &problem);
                Step::respond(Response::page(StatusCode::SERVICE_UNAVAILABLE))
            }
        }
    }
}
