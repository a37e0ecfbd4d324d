//! The provider as an agent knows it: what it publishes, and what it said a moment ago.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderValue, Method, StatusCode, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use weir_plugin_api::Host;
use weir_plugin_api::outside::{HttpAnswer, HttpCall, Outside};

use super::fetched::Fetched;
use super::proxies::Proxies;
use super::remembered::Remembered;
use super::tokens::Tokens;
use crate::jwt::KeySet;
use crate::service_call::url;

/// For how long the discovery document is kept, as in APISIX.
const DISCOVERY_KEPT: Duration = Duration::from_secs(24 * 3600);

/// Bytes of an answer of the provider at most.
const LARGEST_ANSWER: usize = 512 * 1024;

/// What stays as it is in forms and queries.
const FORM: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The tokens of one renewal, for all requests that need it at once.
pub(super) type Renewal = Shared<BoxFuture<'static, Result<Arc<Tokens>, Arc<str>>>>;

/// What outlives a compilation.
#[derive(Default)]
pub(super) struct Provider {
    metadata: Fetched<Metadata>,
    keys: Fetched<KeySet>,
    /// Introspected tokens.
    pub(super) introspected: Remembered<Arc<Value>>,
    /// Renewals by refresh token: a provider may take each one only once.
    pub(super) renewals: Remembered<Renewal>,
}

/// The discovery document.
#[derive(Debug)]
pub(super) struct Metadata(Value);

impl Metadata {
    /// Who issues the tokens.
    pub(super) fn issuer(&self) -> Option<&str> {
        self.0.get("issuer")?.as_str()
    }

    /// An endpoint.
    ///
    /// # Errors
    /// The provider has none, or its URL is none.
    pub(super) fn endpoint(&self, name: &str) -> Result<Uri, String> {
        let place = self.0.get(name).and_then(Value::as_str);
        let place = place.ok_or_else(|| format!("the provider says no {name}"))?;
        url(name, place)
    }
}

/// How the provider is called.
#[derive(Clone)]
pub(super) struct Calls {
    pub(super) discovery: Uri,
    pub(super) timeout: Duration,
    pub(super) verify: bool,
    pub(super) proxies: Proxies,
    /// For how long keys are kept.
    pub(super) keys_kept: Duration,
}

impl Calls {
    pub(super) fn get(&self, uri: Uri) -> HttpCall {
        let proxy = self.proxies.of(&uri);
        let mut call = HttpCall::new(Method::GET, uri);
        call.proxy = proxy;
        call.timeout = self.timeout;
        call.verify = self.verify;
        call.max_answer = LARGEST_ANSWER;
        call.headers
            .insert(ACCEPT, HeaderValue::from_static("application/json"));
        call
    }

    pub(super) fn post(&self, uri: Uri, fields: &[(&str, &str)]) -> HttpCall {
        let mut call = self.get(uri);
        call.method = Method::POST;
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        call.headers.insert(CONTENT_TYPE, form);
        call.body = form_of(fields).into();
        call
    }

    /// The discovery document.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) async fn metadata(
        &self,
        provider: &Provider,
        host: &dyn Host,
    ) -> Result<Arc<Metadata>, Arc<str>> {
        let fetch = || {
            let answer = json(&*host.outside(), self.get(self.discovery.clone()));
            async move {
                let document = answer
                    .await
                    .map_err(|error| format!("discovery: {error}"))?;
                Ok(Metadata(document))
            }
            .boxed()
        };
        provider.metadata.get(host, DISCOVERY_KEPT, fetch).await
    }

    /// The keys of the provider; new ones when `known` does not do.
    ///
    /// # Errors
    /// Why there are none.
    pub(super) async fn keys(
        &self,
        provider: &Provider,
        host: &dyn Host,
        anew: bool,
    ) -> Result<Arc<KeySet>, Arc<str>> {
        let metadata = self.metadata(provider, host).await?;
        let uri = metadata.endpoint("jwks_uri")?;
        let fetch = || {
            let answer = json(&*host.outside(), self.get(uri));
            async move {
                let document = answer.await.map_err(|error| format!("jwks_uri: {error}"))?;
                KeySet::read(&document)
            }
            .boxed()
        };
        let kept = if anew { Duration::ZERO } else { self.keys_kept };
        provider.keys.get(host, kept, fetch).await
    }
}

/// Calls, and reads an answer of 200 as a JSON object.
pub(super) fn json(
    outside: &dyn Outside,
    call: HttpCall,
) -> impl Future<Output = Result<Value, String>> + Send + 'static {
    let answer = outside.http(call);
    async move { read(&answer.await.map_err(|error| error.to_string())?) }
}

/// Reads an answer of 200 as a JSON object.
///
/// # Errors
/// It is another one.
pub(super) fn read(answer: &HttpAnswer) -> Result<Value, String> {
    if answer.status != StatusCode::OK && answer.status != StatusCode::CREATED {
        let said: Option<Value> = serde_json::from_slice(&answer.body).ok();
        let error = said.as_ref().and_then(|said| said.get("error")?.as_str());
        let error = error.map(|error| format!(" {error:?}")).unwrap_or_default();
        return Err(format!(
            "the provider answers {}{error}",
            answer.status.as_u16()
        ));
    }
    let value: Result<Value, _> = serde_json::from_slice(&answer.body);
    let value = value.ok().filter(Value::is_object);
    value.ok_or_else(|| "the answer of the provider is no JSON object".to_owned())
}

/// Fields as a form, or as a query.
pub(super) fn form_of(fields: &[(&str, &str)]) -> String {
    let pairs = fields
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// A value as it stands in a form.
pub(super) fn encode(text: &str) -> String {
    utf8_percent_encode(text, FORM).to_string()
}
