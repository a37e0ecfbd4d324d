//! A back end in the test's own process that tells what it was asked.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Answers every request with JSON: `name`, `method`, `uri`, `headers`, `body`.
pub struct Origin {
    /// Where it listens.
    pub address: SocketAddr,
    _stop: DropGuard,
}

impl Origin {
    /// Starts it on a free port.
    pub async fn start(name: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("address");
        let stop = CancellationToken::new();
        let name = name.to_owned();
        let accept = async move {
            while let Ok((stream, _)) = listener.accept().await {
                let name = name.clone();
                let service = service_fn(move |request| echo(name.clone(), request));
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection);
            }
        };
        tokio::spawn(stop.clone().run_until_cancelled_owned(accept));
        Self {
            address,
            _stop: stop.drop_guard(),
        }
    }

    /// `host:port`, as a node of an upstream.
    pub fn node(&self) -> String {
        self.address.to_string()
    }
}

async fn echo(
    name: String,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let mut headers = Map::new();
    for (key, value) in &head.headers {
        let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
        let joined = match headers.get(key.as_str()).and_then(Value::as_str) {
            Some(first) => format!("{first}, {text}"),
            None => text,
        };
        headers.insert(key.to_string(), Value::String(joined));
    }
    let body = body
        .collect()
        .await
        .map(|body| body.to_bytes())
        .unwrap_or_default();
    let answer = json!({
        "name": name,
        "method": head.method.as_str(),
        "uri": head.uri.to_string(),
        "headers": headers,
        "body": String::from_utf8_lossy(&body),
    });
    let mut response = Response::new(Full::new(Bytes::from(answer.to_string())));
    response.headers_mut().insert(
        "content-type",
        http::HeaderValue::from_static("application/json"),
    );
    Ok(response)
}
