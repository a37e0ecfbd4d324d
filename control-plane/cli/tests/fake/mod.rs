//! A control node that answers from a script and remembers what it was asked.

use std::pin::Pin;
use std::sync::{Arc, Mutex};

use futures_util::{Stream, stream};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};
use weir_proto::cluster::cluster_service_server::{ClusterService, ClusterServiceServer};
use weir_proto::cluster::{
    AddRequest, AddResponse, ListAgentsRequest, ListAgentsResponse, Member, PromoteRequest,
    PromoteResponse, RemoveRequest, RemoveResponse, StatusRequest, StatusResponse,
    TransferLeaderRequest, TransferLeaderResponse,
};
use weir_proto::control::control_service_server::{ControlService, ControlServiceServer};
use weir_proto::control::{
    Applied, ApplyRequest, ApplyResponse, Effect, ExplainRequest, ExplainResponse, GetRequest,
    GetResponse, ListRequest, ListResponse, WatchRequest, WatchResponse,
};
use weir_proto::resource::{Key, Resource};

/// What it answers.
#[derive(Clone, Default)]
pub(crate) struct Reply {
    failure: Option<Status>,
    resources: Vec<Resource>,
}

impl Reply {
    /// Fails every call.
    pub(crate) fn failing(status: Status) -> Self {
        Self {
            failure: Some(status),
            resources: Vec::new(),
        }
    }

    /// Has one more resource.
    pub(crate) fn with(mut self, kind: &str, id: &str, spec: &str) -> Self {
        self.resources.push(Resource {
            key: Some(Key {
                kind: kind.to_owned(),
                id: id.to_owned(),
            }),
            spec: spec.as_bytes().to_vec(),
            created: 1,
            modified: 1,
            ..Resource::default()
        });
        self
    }

    fn check(&self) -> Result<(), Status> {
        self.failure.clone().map_or(Ok(()), Err)
    }
}

#[derive(Default)]
struct Seen {
    applied: Vec<ApplyRequest>,
    keys: Vec<String>,
    removed: Vec<u64>,
    watched: Vec<u64>,
}

/// A running fake; it ends with the test's runtime.
pub(crate) struct Fake {
    pub(crate) address: String,
    seen: Arc<Mutex<Seen>>,
}

impl Fake {
    pub(crate) async fn start(reply: Reply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let node = Node {
            reply,
            seen: Arc::clone(&seen),
        };
        let server = tonic::transport::Server::builder()
            .add_service(ControlServiceServer::new(node.clone()))
            .add_service(ClusterServiceServer::new(node))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(server);
        Self { address, seen }
    }

    pub(crate) fn applied(&self) -> Vec<ApplyRequest> {
        self.seen.lock().unwrap().applied.clone()
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.seen.lock().unwrap().keys.clone()
    }

    pub(crate) fn removed(&self) -> Vec<u64> {
        self.seen.lock().unwrap().removed.clone()
    }

    pub(crate) fn watched(&self) -> Vec<u64> {
        self.seen.lock().unwrap().watched.clone()
    }
}

#[derive(Clone)]
struct Node {
    reply: Reply,
    seen: Arc<Mutex<Seen>>,
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl ControlService for Node {
    type ListStream = Answers<ListResponse>;
    type WatchStream = Answers<WatchResponse>;

    async fn get(&self, _: Request<GetRequest>) -> Result<Response<GetResponse>, Status> {
        self.reply.check()?;
        Ok(Response::new(GetResponse {
            resource: self.reply.resources.first().cloned(),
            revision: 4,
        }))
    }

    async fn list(&self, _: Request<ListRequest>) -> Result<Response<Self::ListStream>, Status> {
        self.reply.check()?;
        let pages = self.reply.resources.iter().map(|resource| {
            Ok(ListResponse {
                resources: vec![resource.clone()],
                revision: 4,
                total: self.reply.resources.len() as u64,
            })
        });
        let pages: Vec<_> = pages.collect();
        Ok(Response::new(Box::pin(stream::iter(pages))))
    }

    async fn apply(
        &self,
        request: Request<ApplyRequest>,
    ) -> Result<Response<ApplyResponse>, Status> {
        let key = request.metadata().get("x-api-key").cloned();
        let mut seen = self.seen.lock().unwrap();
        seen.keys
            .extend(key.and_then(|key| key.to_str().ok().map(str::to_owned)));
        let request = request.into_inner();
        seen.applied.push(request.clone());
        self.reply.check()?;
        let applied = request.changes.into_iter().map(|change| Applied {
            key: change.key,
            effect: Effect::Created.into(),
        });
        Ok(Response::new(ApplyResponse {
            revision: 5,
            applied: applied.collect(),
            warnings: Vec::new(),
        }))
    }

    async fn explain(
        &self,
        _: Request<ExplainRequest>,
    ) -> Result<Response<ExplainResponse>, Status> {
        self.reply.check()?;
        Ok(Response::new(ExplainResponse::default()))
    }

    async fn watch(
        &self,
        request: Request<WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        self.reply.check()?;
        let from = request.into_inner().from_revision;
        self.seen.lock().unwrap().watched.push(from);
        let change = WatchResponse {
            revision: from + 5,
            removals: vec![Key {
                kind: "route".to_owned(),
                id: "1".to_owned(),
            }],
            ..WatchResponse::default()
        };
        let only = stream::iter([Ok(change), Err(Status::unavailable("the node stops"))]);
        Ok(Response::new(Box::pin(only)))
    }
}

#[tonic::async_trait]
impl ClusterService for Node {
    async fn status(&self, _: Request<StatusRequest>) -> Result<Response<StatusResponse>, Status> {
        self.reply.check()?;
        Ok(Response::new(StatusResponse {
            leader_id: 1,
            members: vec![Member {
                node_id: 1,
                voter: true,
                reachable: true,
                ..Member::default()
            }],
            ..StatusResponse::default()
        }))
    }

    async fn add(&self, _: Request<AddRequest>) -> Result<Response<AddResponse>, Status> {
        Ok(Response::new(AddResponse {}))
    }

    async fn promote(
        &self,
        _: Request<PromoteRequest>,
    ) -> Result<Response<PromoteResponse>, Status> {
        Ok(Response::new(PromoteResponse {}))
    }

    async fn remove(
        &self,
        request: Request<RemoveRequest>,
    ) -> Result<Response<RemoveResponse>, Status> {
        let node_id = request.into_inner().node_id;
        self.seen.lock().unwrap().removed.push(node_id);
        Ok(Response::new(RemoveResponse {}))
    }

    async fn transfer_leader(
        &self,
        _: Request<TransferLeaderRequest>,
    ) -> Result<Response<TransferLeaderResponse>, Status> {
        Ok(Response::new(TransferLeaderResponse { leader_id: 1 }))
    }

    async fn list_agents(
        &self,
        _: Request<ListAgentsRequest>,
    ) -> Result<Response<ListAgentsResponse>, Status> {
        self.reply.check()?;
        Ok(Response::new(ListAgentsResponse::default()))
    }
}
