//! The Admin API through its router, on a node of its own per test.

mod bodies;
mod headers;
mod hostile;
mod lists;
mod methods;
mod plugins;
mod writes;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::auth;
use crate::metrics::Metrics;
use crate::registry::Discovery;
use crate::sync::fleet::Fleet;
use crate::{Options, Shared, config};

const KEY: &str = "admin-key-of-tests";
const VIEWER: &str = "viewer-key-of-tests";
const CLIENT: &str = "127.0.0.1:40000";

/// A route that is accepted.
const ROUTE: &str = r#"{"uri":"/a","upstream":{"nodes":{"127.0.0.1:1":1}}}"#;

struct Node {
    router: Router,
    shared: Arc<Shared>,
    _dir: TempDir,
}

struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }
}

impl Node {
    async fn start() -> Self {
        Self::with(Options::default()).await
    }

    async fn with(options: Options) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let any = || Some("127.0.0.1:0".to_owned());
        let config = config::load(Options {
            data_dir: Some(dir.path().to_owned()),
            admin: any(),
            grpc: any(),
            peer: any(),
            status: any(),
            bootstrap: Some(true),
            admin_key: Some(KEY.to_owned()),
            viewer_key: Some(VIEWER.to_owned()),
            ..options
        })
        .unwrap();
        let raft = weir_raft::Handle::start(weir_raft::Options {
            node_id: config.node_id,
            data_dir: config.data_dir.clone(),
            peer_listen: config.listen.peer,
            peer_address: config.advertise_peer.clone(),
            grpc_address: config.advertise_grpc.clone(),
            start: config.start.clone(),
            snapshot_every: config.snapshot_every,
            deadline: config.deadline,
        })
        .await
        .unwrap();
        let metrics = Metrics::new();
        let discovery = Discovery::open(dir.path(), Vec::new(), metrics.discovery.clone()).unwrap();
        let shared = Arc::new(Shared {
            discovery: Arc::new(discovery),
            health: Arc::default(),
            keys: auth::load(&config.keys).unwrap(),
            agents: Arc::new(Fleet::open(dir.path(), config.node_id).unwrap()),
            catalog: weir_plugins::Builtin,
            explainer: Arc::default(),
            metrics,
            shutdown: CancellationToken::new(),
            raft,
            config,
        });
        Self {
            router: super::router(Arc::new(Arc::clone(&shared).into())),
            shared,
            _dir: dir,
        }
    }

    async fn request(&self, peer: &str, request: Request<Body>) -> Reply {
        let mut request = request;
        let peer: SocketAddr = peer.parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Reply {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    async fn with_headers(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Reply {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/apisix/admin{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.request(CLIENT, request.body(body.into()).unwrap())
            .await
    }

    async fn send(&self, method: Method, path: &str, body: impl Into<Body>) -> Reply {
        self.with_headers(method, path, &[("x-api-key", KEY)], body)
            .await
    }

    async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, "").await
    }

    /// A PUT that must succeed.
    async fn put(&self, path: &str, body: &str) -> Value {
        let reply = self.send(Method::PUT, path, body.to_owned()).await;
        assert!(
            reply.status.is_success(),
            "PUT {path}: {} {}",
            reply.status,
            reply.text
        );
        reply.json()
    }

    /// A request with its expected status and body.
    async fn expect(&self, method: Method, path: &str, body: &str, status: u16, expected: &Value) {
        let reply = self.send(method.clone(), path, body.to_owned()).await;
        assert_eq!(
            (reply.status.as_u16(), &reply.json()),
            (status, expected),
            "{method} {path} {body}"
        );
    }
}
