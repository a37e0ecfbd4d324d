//! A stand-in for a Kubernetes API server, **not** Kubernetes: a real kube-apiserver cannot be had
//! where these tests run. It speaks what the documentation says of lists and watches (paging,
//! versions, bookmarks, 410, statuses) over HTTP/1.1, for EndpointSlices, Endpoints and namespaces
//! only, and can be told to misbehave. What it proves is that we keep to that text, not that a real
//! server does.

mod state;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tokio_stream::wrappers::ReceiverStream;

use super::{Backend, Instance, Refusal};
use crate::ErrorKind;
use state::{Selection, State};

pub use state::Trouble;

/// The token that may read.
const TOKEN: &str = "t0k";
/// A token that is known, and may read nothing.
const BLIND: &str = "blind";
/// The only namespace that there is.
const NAMESPACE: &str = "default";

type Body = BoxBody<Bytes, io::Error>;
type Outbox = mpsc::Sender<io::Result<Frame<Bytes>>>;

/// The server. Dropping it ends it.
pub struct FakeKubernetes {
    address: SocketAddr,
    state: Arc<State>,
    task: JoinHandle<()>,
    /// Whether documents ask for EndpointSlices, or for Endpoints.
    pub slices: bool,
}

impl Drop for FakeKubernetes {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl FakeKubernetes {
    /// Starts it.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    continue;
                };
                let state = Arc::clone(&shared);
                tokio::spawn(async move {
                    let answer = service_fn(|request| answer(Arc::clone(&state), request));
                    let http = hyper::server::conn::http1::Builder::new();
                    // The other side may go at any time.
                    let _ = http.serve_connection(TokioIo::new(stream), answer).await;
                });
            }
        });
        Self {
            address,
            state,
            task,
            slices: true,
        }
    }

    /// Misbehaves from now on, also towards watches that run.
    pub fn trouble(&self, trouble: Trouble) {
        self.state.trouble(trouble);
    }

    /// Forgets all versions of before.
    pub fn compact(&self) {
        self.state.compact();
    }

    /// Tells all watches of a version that is about other objects.
    pub fn bookmark(&self) -> u64 {
        self.state.bookmark()
    }

    /// Lists that were answered.
    #[must_use]
    pub fn lists(&self) -> u64 {
        self.state.lists()
    }

    /// The versions that watches went on from, in order.
    #[must_use]
    pub fn watches(&self) -> Vec<u64> {
        self.state.watches()
    }

    /// A document with this token.
    #[must_use]
    pub fn document(&self, address: SocketAddr, token: &str) -> Value {
        json!({
            "type": "kubernetes", "watch_endpoint_slices": self.slices, "watch_timeout": 2,
            "service": {
                "schema": "http", "host": address.ip().to_string(),
                "port": address.port().to_string()
            },
            "client": {"token": token}
        })
    }
}

async fn answer(
    state: Arc<State>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    Ok(respond(&state, &request))
}

fn respond(state: &Arc<State>, request: &Request<Incoming>) -> Response<Body> {
    let header = request.headers().get(http::header::AUTHORIZATION);
    match header.and_then(|value| value.to_str().ok()) {
        Some(value) if value == format!("Bearer {TOKEN}") => {}
        Some(value) if value == format!("Bearer {BLIND}") => {
            return status(StatusCode::FORBIDDEN, "endpoints is forbidden");
        }
        _ => return status(StatusCode::UNAUTHORIZED, "Unauthorized"),
    }
    if let Some(code) = state.refuses() {
        return status(code, "as the test wants it");
    }
    let path = request.uri().path();
    if let Some(name) = path.strip_prefix("/api/v1/namespaces/")
        && !name.contains('/')
    {
        return match name {
            NAMESPACE => full(StatusCode::OK, &json!({"metadata": {"name": name}})),
            _ => status(StatusCode::NOT_FOUND, "namespaces not found"),
        };
    }
    let Some(selection) = Selection::read(request.uri()) else {
        return status(StatusCode::NOT_FOUND, "the server could not find it");
    };
    if let Some(since) = selection.watch {
        return watch(Arc::clone(state), selection, since);
    }
    match state.list(&selection) {
        Some(list) => full(StatusCode::OK, &list),
        None => status(StatusCode::GONE, "the continue token is too old"),
    }
}

fn watch(state: Arc<State>, selection: Selection, since: u64) -> Response<Body> {
    state.watching(since);
    if state.expires_watches() || state.is_forgotten(since) && state.says_so_at_once() {
        return status(StatusCode::GONE, "too old resource version");
    }
    let (outbox, frames) = mpsc::channel(16);
    let end = Instant::now() + Duration::from_secs(selection.seconds);
    tokio::spawn(async move {
        tokio::select! {
            () = state.tell(&selection, since, &outbox) => {}
            () = sleep_until(end) => {
                // One that hangs does not end in time either.
                if state.hangs() {
                    std::future::pending::<()>().await;
                }
            }
            () = outbox.closed() => {}
        }
    });
    let body = StreamBody::new(ReceiverStream::new(frames));
    Response::new(BodyExt::boxed(body))
}

fn full(code: StatusCode, body: &Value) -> Response<Body> {
    let body = Full::new(Bytes::from(body.to_string())).map_err(|never| match never {});
    let mut response = Response::new(BodyExt::boxed(body));
    *response.status_mut() = code;
    response
}

fn status(code: StatusCode, message: &str) -> Response<Body> {
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code.as_u16(),
        "message": message
    });
    full(code, &body)
}

impl Backend for FakeKubernetes {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn registry(&self, address: SocketAddr) -> Value {
        self.document(address, TOKEN)
    }

    fn upstream(&self, service: &str) -> Value {
        json!({"service_name": format!("{NAMESPACE}/{service}:http")})
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn has_weights(&self) -> bool {
        false
    }

    fn register<'a>(&'a self, service: &'a str, instance: &'a Instance) -> BoxFuture<'a, ()> {
        async move { self.state.put(service, instance, Some(true)) }.boxed()
    }

    fn deregister<'a>(&'a self, service: &'a str, instance: &'a Instance) -> BoxFuture<'a, ()> {
        async move { self.state.put(service, instance, None) }.boxed()
    }

    fn set_healthy<'a>(
        &'a self,
        service: &'a str,
        instance: &'a Instance,
        healthy: bool,
    ) -> BoxFuture<'a, bool> {
        async move {
            self.state.put(service, instance, Some(healthy));
            true
        }
        .boxed()
    }

    fn refusals(&self) -> BoxFuture<'_, Vec<Refusal>> {
        async move {
            let service = "weir-refused";
            let upstream = self.upstream(service);
            let refusal = |what, token, upstream: &Value, kind| Refusal {
                what,
                registry: self.document(self.address, token),
                upstream: upstream.clone(),
                kind,
            };
            let elsewhere = json!({"service_name": format!("nowhere/{service}:http")});
            vec![
                refusal("an unknown token", "who", &upstream, ErrorKind::Refused),
                refusal(
                    "a token that may not read it",
                    BLIND,
                    &upstream,
                    ErrorKind::Refused,
                ),
                refusal(
                    "an unknown namespace, answered with an empty list",
                    TOKEN,
                    &elsewhere,
                    ErrorKind::UnknownNamespace,
                ),
            ]
        }
        .boxed()
    }
}
