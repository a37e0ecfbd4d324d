//! A session from the provider's tokens, its renewal, and what the node is told of it.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::FutureExt;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use weir_plugin_api::Context;
use weir_plugin_api::outside::HttpCall;

use super::Compiled;
use super::claims::Fault;
use super::dpop;
use super::login::Login;
use super::provider::Metadata;
use super::session::Session;
use super::tokens::Tokens;
use crate::jwt::{Token, VerifyKey};

/// For how long the outcome of a renewal serves requests that were sent with the tokens before it.
const RENEWAL_KEPT: Duration = Duration::from_secs(10);

const ACCESS_TOKEN: HeaderName = HeaderName::from_static("x-access-token");
const ID_TOKEN: HeaderName = HeaderName::from_static("x-id-token");
const RAW_ID_TOKEN: HeaderName = HeaderName::from_static("x-raw-id-token");
const REFRESH_TOKEN: HeaderName = HeaderName::from_static("x-refresh-token");
const USERINFO: HeaderName = HeaderName::from_static("x-userinfo");

/// What the node is told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told {
    pub(super) access_token: bool,
    pub(super) in_authorization: bool,
    pub(super) id_token: bool,
    pub(super) raw_id_token: bool,
    pub(super) refresh_token: bool,
    pub(super) userinfo: bool,
}

impl Told {
    /// Takes out what a client claims in the name of the provider.
    pub(super) fn clear(headers: &mut HeaderMap) {
        for name in [
            ACCESS_TOKEN,
            ID_TOKEN,
            RAW_ID_TOKEN,
            REFRESH_TOKEN,
            USERINFO,
        ] {
            headers.remove(name);
        }
    }

    pub(super) fn tell_access(self, headers: &mut HeaderMap, token: &str) {
        if !self.access_token {
            return;
        }
        if self.in_authorization {
            insert(headers, AUTHORIZATION, &format!("Bearer {token}"));
        } else {
            insert(headers, ACCESS_TOKEN, token);
        }
    }

    pub(super) fn tell_user(self, headers: &mut HeaderMap, user: &Value) {
        if self.userinfo {
            insert(headers, USERINFO, &STANDARD.encode(user.to_string()));
        }
    }

    fn tell(self, headers: &mut HeaderMap, session: &Session, claims: &Value) {
        if let Some(token) = &session.access_token {
            self.tell_access(headers, token);
        }
        if self.id_token {
            insert(headers, ID_TOKEN, &STANDARD.encode(claims.to_string()));
        }
        if self.raw_id_token {
            insert(headers, RAW_ID_TOKEN, &session.id_token);
        }
        if let (true, Some(token)) = (self.refresh_token, &session.refresh_token) {
            insert(headers, REFRESH_TOKEN, token);
        }
        if let Some(user) = &session.user {
            self.tell_user(headers, user);
        }
    }
}

fn insert(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    if let Ok(mut value) = HeaderValue::from_str(text) {
        value.set_sensitive(true);
        headers.insert(name, value);
    }
}

impl Compiled {
    /// Changes a code for tokens, and those for a session.
    pub(super) async fn session_of_code(
        &self,
        context: &Context,
        metadata: &Arc<Metadata>,
        login: &Login,
        fields: &[(&str, &str)],
    ) -> Result<Session, String> {
        let host = &*context.host;
        let uri = metadata.endpoint("token_endpoint")?;
        let call = self.client.post(&self.calls, host, uri, fields)?;
        let answer = self.prove(context, call, None).await;
        let tokens = Tokens::read(&answer.map_err(|error| format!("token_endpoint: {error}"))?);
        let id = tokens.id.clone().ok_or("the provider gave no ID token")?;
        let nonce = login.nonce.as_deref();
        let claims = self.id_claims(context, metadata, &id, nonce).await?;
        let now = host.unix_ms() / 1000;
        let mut session = Session::new(id, &tokens, self.default_life, now);
        if let Some(token) = tokens.access.as_deref().filter(|_| self.wants_user) {
            let shown = self.userinfo(context, metadata, (token, tokens.is_bound), &claims);
            match shown.await {
                Ok(user) => session.user = user,
                // A user who is somebody else is no user.
                Err(Userinfo::Foreign) => return Err("userinfo is of another user".into()),
                Err(Userinfo::Failed(error)) => self.complain(context, &error),
            }
        }
        Ok(session)
    }

    /// The claims of an ID token that is good.
    async fn id_claims(
        &self,
        context: &Context,
        metadata: &Metadata,
        text: &str,
        nonce: Option<&str>,
    ) -> Result<Value, String> {
        let token = Token::parse(text).ok_or("the ID token is none")?;
        if !self.rules.expects(&token) {
            return Err("the ID token is signed by another algorithm than is expected".into());
        }
        // It came from the provider itself: section 3.1.3.7 lets that stand for a signature, where
        // the operator does.
        let stands = match (token.algorithm, token.algorithm_name()) {
            (Some(_), _) => false,
            (None, "none" | "") => self.accepts_none,
            (None, _) => self.accepts_unsupported,
        };
        if !stands && !self.is_id_token_signed(context, &token).await? {
            return Err("the signature of the ID token does not fit".into());
        }
        let now = context.host.unix_ms() / 1000;
        self.rules
            .id_token(&token.claims, metadata.issuer(), nonce, now)?;
        Ok(token.claims)
    }

    async fn is_id_token_signed(
        &self,
        context: &Context,
        token: &Token<'_>,
    ) -> Result<bool, String> {
        let symmetric = token.algorithm.filter(|algorithm| algorithm.is_symmetric());
        if let Some(algorithm) = symmetric {
            let secret = self.client_secret.as_ref();
            let key = secret.and_then(|secret| VerifyKey::secret(algorithm, secret.as_bytes()));
            return Ok(key.is_some_and(|key| token.is_signed_by(&key)));
        }
        self.is_signed_by_provider(context, token).await
    }

    async fn userinfo(
        &self,
        context: &Context,
        metadata: &Metadata,
        (token, is_bound): (&str, bool),
        claims: &Value,
    ) -> Result<Option<Value>, Userinfo> {
        let Ok(uri) = metadata.endpoint("userinfo_endpoint") else {
            return Ok(None);
        };
        let failed = |error: String| Userinfo::Failed(format!("userinfo_endpoint: {error}"));
        let mut call = self.calls.get(uri);
        let scheme = if is_bound { "DPoP" } else { "Bearer" };
        let value = HeaderValue::from_str(&format!("{scheme} {token}"));
        let value = value.map_err(|error| failed(error.to_string()))?;
        call.headers.insert(AUTHORIZATION, value);
        let shown = is_bound.then(|| token.to_owned());
        let user = self.prove(context, call, shown).await.map_err(failed)?;
        if user.get("sub") != claims.get("sub") {
            return Err(Userinfo::Foreign);
        }
        Ok(Some(user))
    }

    /// Calls, with a proof where the operator wants it; bound to a token that is shown.
    fn prove(
        &self,
        context: &Context,
        call: HttpCall,
        token: Option<String>,
    ) -> impl Future<Output = Result<Value, String>> + Send + use<> {
        dpop::call(self.proofs.clone(), Arc::clone(&context.host), call, token)
    }

    /// Renews the access token. Requests that need it at once share one renewal, since a provider
    /// may take a refresh token only once.
    pub(super) async fn renew(
        &self,
        context: &Context,
        session: &mut Session,
    ) -> Result<(), String> {
        let host = &*context.host;
        let refresh = session.refresh_token.clone();
        let refresh = refresh.ok_or("there is no refresh token")?;
        let metadata = self.calls.metadata(&self.provider, host).await;
        let metadata = metadata.map_err(|error| error.to_string())?;
        let uri = metadata.endpoint("token_endpoint")?;
        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", &*refresh),
            ("scope", &*self.scope),
        ];
        let call = self.client.post(&self.calls, host, uri, &fields)?;
        let renewal =
            self.provider
                .renewals
                .get_or(host.monotonic(), &refresh, RENEWAL_KEPT, || {
                    let answer = self.prove(context, call, None);
                    let tokens = async move {
                        let answer = answer.await.map_err(|error| format!("renewal: {error}"))?;
                        Ok(Arc::new(Tokens::read(&answer)))
                    };
                    tokens.boxed().shared()
                });
        let tokens = renewal.await.map_err(|error| error.to_string())?;
        if tokens.access.is_none() {
            return Err("renewal: the provider gave no access token".into());
        }
        if let Some(id) = &tokens.id {
            let claims = self.id_claims(context, &metadata, id, None).await?;
            let known = Token::parse(&session.id_token);
            let known = known.as_ref().and_then(|token| token.text("sub"));
            if claims.get("sub").and_then(Value::as_str) != known {
                return Err("renewal: the ID token is of another user".into());
            }
            session.id_token.clone_from(id);
        }
        session.take(&tokens, self.default_life, host.unix_ms() / 1000);
        Ok(())
    }

    /// Tells the node of the user.
    ///
    /// # Errors
    /// What is known of the user does not fit the schema.
    pub(super) fn tell(&self, context: &mut Context, session: &Session) -> Result<(), Fault> {
        let claims = Token::parse(&session.id_token).map(|token| token.claims);
        let claims = claims.unwrap_or_default();
        if self.rules.has_schema() {
            let mut known = json!({
                "id_token": claims,
                "access_token": session.access_token,
                "user": session.user,
            });
            // What is not there is absent, not null.
            if let Some(fields) = known.as_object_mut() {
                fields.retain(|_, value| !value.is_null());
            }
            self.rules.schema(&known)?;
        }
        self.told
            .tell(&mut context.request.headers, session, &claims);
        let user = session.user.clone().unwrap_or(claims);
        context.external_user = Some(Arc::new(user));
        Ok(())
    }
}

/// Why nothing is known of a user.
enum Userinfo {
    /// It is of somebody else.
    Foreign,
    Failed(String),
}
