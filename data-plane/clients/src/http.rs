//! HTTP/1.1 and HTTP/2 exchanges, on kept connections.

use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Request};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use weir_net::causes;
use weir_plugin_api::outside::{CallError, HttpAnswer, HttpCall};

use crate::tls::Configs;

type Pooled = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// How long an idle connection is kept.
const IDLE: Duration = Duration::from_secs(60);
/// Idle connections kept for one server.
const MAX_IDLE: usize = 64;

/// Clients by verification and by whether connections are kept.
pub(crate) struct Http {
    verified: [Pooled; 2],
    unverified: [Pooled; 2],
    /// Those that speak HTTP/2 at once, unverified and verified.
    http2: [Pooled; 2],
}

impl Http {
    pub(crate) fn new(tls: &Configs) -> Self {
        let one = |verify, kept, http2| client(tls, verify, kept, http2);
        let pair = |verify| [one(verify, false, false), one(verify, true, false)];
        Self {
            verified: pair(true),
            unverified: pair(false),
            http2: [false, true].map(|verify| one(verify, true, true)),
        }
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
        let [fresh, kept] = if call.verify {
            &self.verified
        } else {
            &self.unverified
        };
        let [unverified, verified] = &self.http2;
        let client = match (call.http2, call.verify, call.keepalive) {
            (true, true, _) => verified,
            (true, false, _) => unverified,
            (false, _, true) => kept,
            (false, _, false) => fresh,
        };
        let limit = call.max_answer;
        let broken = |cause: String| CallError::Broken {
            address: address.clone(),
            cause,
        };
        let answer = client.request(request(call)).await;
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
        Ok(HttpAnswer {
            status: head.status,
            headers: head.headers,
            body: body.to_bytes(),
        })
    }
}

fn client(tls: &Configs, verify: bool, kept: bool, http2: bool) -> Pooled {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls.get(verify).as_ref().clone())
        .https_or_http()
        .enable_all_versions()
        .wrap_connector(tcp);
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .http2_only(http2)
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(if kept { MAX_IDLE } else { 0 })
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
    request
}
