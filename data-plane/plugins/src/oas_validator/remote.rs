//! A document that is fetched: at the first request, and again when it is old.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use weir_plugin_api::outside::HttpCall;
use weir_plugin_api::{CompileContext, Host};

use super::config::{Config, Metadata};
use super::spec::Spec;
use crate::header_edit::header_name;

/// Largest document.
const MAX_DOCUMENT: usize = 8 << 20;
/// How long a document that could not be fetched is not asked for again.
const PAUSE: Duration = Duration::from_secs(5);

/// Where a document is, and what is known of it.
pub(super) struct Remote {
    uri: Uri,
    headers: HeaderMap,
    verify: bool,
    timeout: Duration,
    life: Duration,
    known: Arc<Known>,
}

/// What all requests of one configuration share.
#[derive(Default)]
struct Known {
    state: Mutex<State>,
    /// Whether somebody fetches it again.
    renewing: AtomicBool,
}

#[derive(Default, Clone)]
struct State {
    spec: Option<Arc<Spec>>,
    /// When it is to be fetched, again.
    due: Duration,
}

impl Remote {
    /// # Errors
    /// The address or a header field is none.
    pub(super) fn compile(
        url: &str,
        config: &Config,
        context: &CompileContext<'_>,
    ) -> Result<Self, String> {
        let uri: Uri = url.parse().map_err(|error| format!("spec_url: {error}"))?;
        if uri.authority().is_none() {
            return Err(format!("spec_url: expected an address, got {url:?}"));
        }
        let mut headers = HeaderMap::new();
        for (name, value) in config.spec_url_request_headers.iter().flatten() {
            let name: HeaderName = header_name("spec_url_request_headers", name)?;
            let value = HeaderValue::try_from(value)
                .map_err(|_| format!("spec_url_request_headers: {name} is no value of a header"))?;
            headers.append(name, value);
        }
        let metadata = context.metadata.as_deref().cloned();
        let metadata: Metadata = metadata
            .map(serde_json::from_value)
            .transpose()
            .map_err(|error| error.to_string())?
            .unwrap_or_default();
        let key = context.state_key("oas-validator");
        Ok(Self {
            uri,
            headers,
            verify: config.ssl_verify,
            timeout: Duration::from_millis(config.timeout),
            life: Duration::from_secs(metadata.spec_url_ttl),
            known: context.living.get_or_init(&key, Known::default),
        })
    }

    /// The document, if it is there. One that is old is fetched again beside the requests, and counts
    /// until there is another.
    pub(super) fn spec(&self, host: &Arc<dyn Host>) -> Option<Arc<Spec>> {
        let State { spec, due } = self.known.get();
        let old = host.monotonic() >= due;
        if spec.is_some() && old && !self.known.renewing.swap(true, Ordering::AcqRel) {
            let (known, call) = (Arc::clone(&self.known), self.call());
            let (life, outside) = (self.life, host.outside());
            let host = Arc::clone(host);
            outside.spawn(Box::pin(async move {
                fetch(&known, call, life, &host).await;
                known.renewing.store(false, Ordering::Release);
            }));
        }
        spec
    }

    /// Fetches the document, unless that failed a moment ago.
    pub(super) async fn fetch(&self, host: &Arc<dyn Host>) -> Option<Arc<Spec>> {
        let State { spec, due } = self.known.get();
        if spec.is_some() || host.monotonic() < due {
            return spec;
        }
        fetch(&self.known, self.call(), self.life, host).await;
        self.known.get().spec
    }

    fn call(&self) -> HttpCall {
        HttpCall {
            headers: self.headers.clone(),
            verify: self.verify,
            timeout: self.timeout,
            max_answer: MAX_DOCUMENT,
            ..HttpCall::new(Method::GET, self.uri.clone())
        }
    }
}

impl Known {
    fn get(&self) -> State {
        let state = self.state.lock();
        state.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, spec: Option<Arc<Spec>>, due: Duration) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if spec.is_some() {
            state.spec = spec;
        }
        state.due = due;
    }
}

async fn fetch(known: &Known, call: HttpCall, life: Duration, host: &Arc<dyn Host>) {
    let uri = call.uri.clone();
    let answer = host.outside().http(call).await;
    let spec = match answer {
        Ok(answer) if answer.status.is_success() => std::str::from_utf8(&answer.body)
            .map_err(|error| error.to_string())
            .and_then(Spec::parse),
        Ok(answer) => Err(format!("the answer was {}", answer.status)),
        Err(error) => Err(error.to_string()),
    };
    match spec {
        Ok(spec) => known.set(Some(Arc::new(spec)), host.monotonic().saturating_add(life)),
        Err(reason) => {
            let place = uri.authority().map(ToString::to_string);
            tracing::error!(
                reason,
                host = place,
                "oas-validator: failed to fetch or parse the openapi spec"
            );
            known.set(None, host.monotonic().saturating_add(PAUSE));
        }
    }
}
