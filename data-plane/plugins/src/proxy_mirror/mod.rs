#![doc = include_str!("README.md")]

mod config;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderMap, HeaderValue, Uri};
use weir_plugin_api::body::WholeBody;
use weir_plugin_api::outside::HttpCall;
use weir_plugin_api::request::encode_path;
use weir_plugin_api::{CompileContext, Context, Phase, Phases, Plugin, PluginDef, Step};

use crate::onward::end_to_end;

pub use config::{Config, PathConcatMode};

/// Largest body that is copied: it is held until the copy is answered.
const MAX_BODY: usize = 8 << 20;

/// Bytes of bodies that all copies of an agent under way hold. Beyond, requests are not copied: a
/// place that says nothing must not take memory from requests.
const MOST_HELD: usize = 64 << 20;

/// How long a copy may take, as in APISIX.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Answers to copies are read and dropped; larger ones are broken off.
const MAX_ANSWER: usize = 1 << 20;

/// Definition of `proxy-mirror`.
pub struct ProxyMirror;

impl PluginDef for ProxyMirror {
    const NAME: &'static str = "proxy-mirror";
    const PRIORITY: i32 = 1010;
    const PHASES: Phases = Phases::of(&[Phase::Rewrite, Phase::BeforeProxy]);
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, context: &CompileContext<'_>) -> Result<Compiled, String> {
        let (scheme, host) = config
            .host
            .split_once("://")
            .unwrap_or(("http", &config.host));
        let (scheme, http2) = match scheme {
            "grpc" => ("http", true),
            "grpcs" => ("https", true),
            other => (other, false),
        };
        let base = format!("{scheme}://{host}");
        let wrong = || format!("host must be SCHEME://HOST:PORT, got {:?}", config.host);
        let parsed: Uri = base.parse().map_err(|_| wrong())?;
        let authority = parsed.authority().ok_or_else(wrong)?;
        let digits = |digit: char| digit.is_ascii_digit();
        let names_port = host.trim_end_matches(digits).ends_with(':');
        if names_port && authority.port_u16().is_none() {
            return Err(wrong());
        }
        let path = config.path.unwrap_or_default();
        format!("{base}{path}").parse::<Uri>().map_err(|error| {
            format!("path must be a path that can be asked for, got {path:?}: {error}")
        })?;
        Ok(Compiled {
            base,
            http2,
            path,
            prefix: config.path_concat_mode == PathConcatMode::Prefix,
            ratio: config.sample_ratio,
            held: context
                .living
                .get_or_init("proxy-mirror\u{0}bytes", AtomicUsize::default),
        })
    }
}

/// `proxy-mirror`, ready to run.
pub struct Compiled {
    base: String,
    http2: bool,
    /// Empty when there is none.
    path: String,
    prefix: bool,
    ratio: f64,
    held: Arc<AtomicUsize>,
}

/// Bytes that a copy under way holds.
struct Held {
    bytes: usize,
    all: Arc<AtomicUsize>,
}

impl Held {
    /// Takes so many, when there are as many left.
    fn take(all: &Arc<AtomicUsize>, bytes: usize) -> Option<Self> {
        let held = Self {
            bytes,
            all: Arc::clone(all),
        };
        let before = all.fetch_add(bytes, Ordering::Relaxed);
        (before.saturating_add(bytes) <= MOST_HELD).then_some(held)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Whether this request is copied, once that is drawn; copied it is once.
#[derive(Default)]
struct Drawn(Option<bool>);

impl Compiled {
    fn draw(&self, context: &Context) -> bool {
        // 53 bits are what a double holds.
        let random = (context.host.random() >> 11) as f64 / (1_u64 << 53) as f64;
        self.ratio >= 1.0 || random < self.ratio
    }

    /// The path and query that a copy asks for.
    fn target(&self, context: &Context) -> String {
        let request = &context.request;
        let own = match &context.target.uri {
            Some(uri) => Cow::Borrowed(uri.as_str()),
            None => {
                let mut uri = encode_path(&request.path);
                if let Some(query) = &request.query {
                    uri.push('?');
                    uri.push_str(query);
                }
                Cow::Owned(uri)
            }
        };
        if self.path.is_empty() || self.prefix {
            return format!("{}{own}", self.path);
        }
        match own.split_once('?') {
            Some((_, query)) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }

    fn headers(&self, context: &Context) -> HeaderMap {
        let mut headers = end_to_end(&context.request.headers);
        headers.remove(HOST);
        let host = context.target.host.as_ref();
        let host = host.unwrap_or(&context.request.authority);
        // Over HTTP/2 the address of the copy is the authority.
        if !self.http2
            && let Ok(host) = HeaderValue::from_str(host)
        {
            headers.insert(HOST, host);
        }
        headers
    }

    fn copy(&self, body: Bytes, context: &Context) -> Option<HttpCall> {
        let target = self.target(context);
        let uri: Uri = format!("{}{target}", self.base).parse().ok()?;
        let method = context.target.method.as_ref();
        let method = method.unwrap_or(&context.request.method).clone();
        Some(HttpCall {
            headers: self.headers(context),
            body,
            timeout: TIMEOUT,
            verify: false,
            http2: self.http2,
            max_answer: MAX_ANSWER,
            ..HttpCall::new(method, uri)
        })
    }
}

impl Plugin for Compiled {
    fn rewrite<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        let drawn = match context.local_mut::<Drawn>().0 {
            Some(drawn) => drawn,
            None => {
                let drawn = self.draw(context);
                context.local_mut::<Drawn>().0 = Some(drawn);
                drawn
            }
        };
        if drawn && matches!(context.request.body.whole(MAX_BODY), WholeBody::Unread) {
            return Step::ReadBody;
        }
        Step::Continue
    }

    fn before_proxy<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        // Further tries are not copied.
        let drawn = context.local_mut::<Drawn>().0.replace(false);
        if drawn != Some(true) {
            return Step::Continue;
        }
        let WholeBody::Read(body) = context.request.body.whole(MAX_BODY) else {
            tracing::debug!(to = %self.base, "the body is too large to be copied");
            return Step::Continue;
        };
        let Some(held) = Held::take(&self.held, body.len()) else {
            tracing::debug!(to = %self.base, "too many bytes are on their way already");
            return Step::Continue;
        };
        // Bytes of its own: those of the request are counted with it, and must not outlive it.
        let Some(call) = self.copy(Bytes::copy_from_slice(body), context) else {
            return Step::Continue;
        };
        let outside = context.host.outside();
        let to = self.base.clone();
        let copied = outside.http(call);
        outside.spawn(Box::pin(async move {
            let _held = held;
            if let Err(error) = copied.await {
                tracing::debug!(%to, %error, "a copy was not answered");
            }
        }));
        Step::Continue
    }
}
