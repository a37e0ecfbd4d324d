//! The services over a real listener, with consensus of one node behind them.

mod operating;
mod reading;
mod writing;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tonic::{Request, Streaming};
use weir_model::{Key, Kind};
use weir_proto::cluster::cluster_service_client::ClusterServiceClient;
use weir_proto::control::control_service_client::ControlServiceClient;
use weir_proto::control::{
    ApplyRequest, Change, Effect, WatchRequest, WatchResponse, change::Operation,
};

use crate::config::{Options, load};
use crate::registry::Discovery;
use crate::sync::fleet::Fleet;
use crate::{Shared, admin};

const ADMIN: &str = "admin-key";
const VIEWER: &str = "viewer-key";

struct Harness {
    channel: Channel,
    shared: Arc<Shared>,
    dir: TempDir,
}

impl Harness {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let any = || Some("127.0.0.1:0".to_owned());
        let config = load(Options {
            data_dir: Some(dir.path().to_owned()),
            admin: any(),
            grpc: any(),
            peer: any(),
            status: any(),
            bootstrap: Some(true),
            admin_key: Some(ADMIN.to_owned()),
            viewer_key: Some(VIEWER.to_owned()),
            ..Options::default()
        })
        .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let raft = weir_raft::Handle::start(weir_raft::Options {
            node_id: config.node_id,
            data_dir: config.data_dir.clone(),
            peer_listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            peer_address: config.advertise_peer.clone(),
            grpc_address: address.to_string(),
            start: config.start.clone(),
            snapshot_every: config.snapshot_every,
            deadline: config.deadline,
        })
        .await
        .unwrap();
        let metrics = crate::metrics::Metrics::new();
        let discovery = Discovery::open(dir.path(), Vec::new(), metrics.discovery.clone()).unwrap();
        let shared = Arc::new(Shared {
            discovery: Arc::new(discovery),
            health: Arc::default(),
            keys: admin::auth::load(&config.keys).unwrap(),
            agents: Arc::new(Fleet::open(dir.path(), config.node_id).unwrap()),
            catalog: weir_plugins::Builtin,
            explainer: Arc::default(),
            shutdown: CancellationToken::new(),
            metrics,
            raft,
            config,
        });
        let server = tonic::transport::Server::builder()
            .add_routes(super::services(&shared))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(server);
        let channel = Channel::from_shared(format!("http://{address}"))
            .unwrap()
            .connect()
            .await
            .unwrap();
        Self {
            channel,
            shared,
            dir,
        }
    }

    fn control(&self) -> ControlServiceClient<Channel> {
        ControlServiceClient::new(self.channel.clone())
    }

    fn cluster(&self) -> ClusterServiceClient<Channel> {
        ClusterServiceClient::new(self.channel.clone())
    }

    /// Applies and tells the revision and the effects.
    async fn apply(&self, changes: Vec<Change>) -> Result<(u64, Vec<Effect>), tonic::Status> {
        let request = ApplyRequest {
            changes,
            author: "ann".to_owned(),
            message: "why".to_owned(),
            ..ApplyRequest::default()
        };
        let answer = self.control().apply(as_admin(request)).await?.into_inner();
        let effects = answer.applied.iter().map(|applied| applied.effect());
        Ok((answer.revision, effects.collect()))
    }

    async fn watch(&self, from_revision: u64) -> Streaming<WatchResponse> {
        let request = WatchRequest {
            kinds: Vec::new(),
            from_revision,
        };
        self.control()
            .watch(as_admin(request))
            .await
            .unwrap()
            .into_inner()
    }
}

fn with_key<T>(key: &'static str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request
        .metadata_mut()
        .insert("x-api-key", key.parse().unwrap());
    request
}

fn as_admin<T>(message: T) -> Request<T> {
    with_key(ADMIN, message)
}

fn put(kind: Kind, id: &str, document: &Value) -> Change {
    Change {
        key: Some((&Key::new(kind, id)).into()),
        operation: Some(Operation::Put(document.to_string().into_bytes())),
        ..Change::default()
    }
}

fn delete(kind: Kind, id: &str) -> Change {
    Change {
        key: Some((&Key::new(kind, id)).into()),
        operation: Some(Operation::Delete(true)),
        ..Change::default()
    }
}

fn upstream() -> Value {
    json!({"type": "roundrobin", "nodes": {"127.0.0.1:1": 1}})
}

async fn next(stream: &mut Streaming<WatchResponse>) -> WatchResponse {
    tokio::time::timeout(Duration::from_secs(20), stream.message())
        .await
        .expect("a change in time")
        .unwrap()
        .expect("the stream goes on")
}

fn ids(keys: &[weir_proto::resource::Key]) -> Vec<String> {
    keys.iter()
        .map(|key| format!("{}/{}", key.kind, key.id))
        .collect()
}
