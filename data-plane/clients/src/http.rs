//! HTTP/1.1 and HTTP/2 exchanges, on kept connections.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, PROXY_AUTHORIZATION};
use http::{HeaderValue, Request};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, ResponseFuture};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use weir_net::causes;
use weir_plugin_api::outside::{CallError, HttpAnswer, HttpCall, HttpProxy};

use crate::connect::Connector;
use crate::tls::Configs;

type Pooled = Client<HttpsConnector<Connector>, Full<Bytes>>;

/// Ways to keep connections that are remembered; beyond, all are forgotten: calls under way go on.
const MAX_KEPT: usize = 256;

/// How a client keeps its connections, and what it asks of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Kept {
    verify: bool,
    http2: bool,
    idle: Duration,
    /// 0 keeps none.
    max_idle: usize,
    proxy: Option<Arc<HttpProxy>>,
}

impl Kept {
    const fn new(verify: bool, kept: bool, http2: bool) -> Self {
        Self {
            verify,
            http2,
            idle: HttpCall::IDLE,
            max_idle: if kept { HttpCall::MAX_IDLE } else { 0 },
            proxy: None,
        }
    }

    /// What a call asks for.
    fn of(call: &HttpCall) -> Self {
        Self {
            idle: call.idle,
            // One that speaks HTTP/2 has one connection for all calls.
            max_idle: if call.keepalive || call.http2 {
                call.max_idle
            } else {
                0
            },
            proxy: call.proxy.clone(),
            ..Self::new(call.verify, true, call.http2)
        }
    }
}

/// Clients by verification and by how connections are kept.
pub(crate) struct Http {
    tls: Configs,
    /// Those for calls without wishes of their own.
    usual: [(Kept, Pooled); 6],
    /// Those for others, made on demand.
    others: Mutex<HashMap<Kept, Arc<Pooled>>>,
}

impl Http {
    pub(crate) fn new(tls: &Configs) -> Self {
        let usual = [
            Kept::new(true, true, false),
            Kept::new(true, false, false),
            Kept::new(false, true, false),
            Kept::new(false, false, false),
            Kept::new(true, true, true),
            Kept::new(false, true, true),
        ];
        Self {
            tls: tls.clone(),
            usual: usual.map(|kept| (kept.clone(), client(tls, &kept))),
            others: Mutex::default(),
        }
    }

    /// Asks the client that keeps connections as the call wants it.
    fn ask(&self, call: HttpCall) -> ResponseFuture {
        let kept = Kept::of(&call);
        if let Some((_, client)) = self.usual.iter().find(|(usual, _)| *usual == kept) {
            return client.request(request(call));
        }
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        if others.len() >= MAX_KEPT && !others.contains_key(&kept) {
            others.clear();
        }
        let client = others
            .entry(kept)
            .or_insert_with_key(|kept| Arc::new(client(&self.tls, kept)));
        let client = Arc::clone(client);
        drop(others);
        client.request(request(call))
    }

    pub(crate) async fn exchange(&self, call: HttpCall) -> Result<HttpAnswer, CallError> {
        let address = call
            .uri
            .authority()
            .map(ToString::to_string)
            .ok_or_else(|| CallError::Address {
                address: call.uri.to_string(),
                problem: "expected an absolute URI".to_owned(),
            })?;
        let limit = call.max_answer;
        let broken = |cause: String| CallError::Broken {
            address: address.clone(),
            cause,
        };
        let answer = self.ask(call).await;
        let answer = answer.map_err(|error| {
            let cause = causes(&error);
            if error.is_connect() {
                CallError::Connect {
                    address: address.clone(),
                    cause,
                }
            } else {
                broken(cause)
            }
        })?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, limit).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                CallError::TooLarge {
                    address: address.clone(),
                    limit,
                }
            } else {
                broken(error.to_string())
            }
        })?;
        let trailers = body.trailers().cloned().unwrap_or_default();
        Ok(HttpAnswer {
            status: head.status,
            headers: head.headers,
            body: body.to_bytes(),
            trailers,
        })
    }
}

fn client(tls: &Configs, kept: &Kept) -> Pooled {
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls.get(kept.verify).as_ref().clone())
        .https_or_http()
        .enable_all_versions()
        .wrap_connector(Connector::new(kept.proxy.clone()));
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .http2_only(kept.http2)
        .pool_idle_timeout(kept.idle)
        .pool_max_idle_per_host(kept.max_idle)
        .build(connector)
}

fn request(call: HttpCall) -> Request<Full<Bytes>> {
    let length = call.body.len();
    let mut request = Request::new(Full::new(call.body));
    *request.method_mut() = call.method;
    *request.uri_mut() = call.uri;
    *request.headers_mut() = call.headers;
    if length > 0 {
        let headers = request.headers_mut();
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    // In a tunnel it would be the server that gets it.
    if request.uri().scheme_str() == Some("http")
        && let Some(value) = call
            .proxy
            .as_ref()
            .and_then(|proxy| proxy.authorization.clone())
    {
        request.headers_mut().insert(PROXY_AUTHORIZATION, value);
    }
    request
}
