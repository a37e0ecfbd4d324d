//! The gRPC service `weir.sync.v1.SyncService`. Written by hand rather than generated, because its
//! responses are encoded before: see [`codec`](super::codec).

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::codegen::{Service, StdError};
use tonic::server::{Grpc, NamedService, StreamingService};
use tonic::{Code, Request, Response, Status, Streaming};
use weir_proto::sync::StreamRequest;

use super::codec::{Frame, FrameCodec};
use super::counters::Counters;
use super::encode::Encoder;
use super::fleet::Fleet;
use super::pace::Pace;
use super::session::Session;
use super::settings::Settings;
use crate::health::Health;
use crate::registry::Table;

/// Chunks that wait for one slow stream; more are not even taken from the encoded response.
const WAITING: usize = 2;
/// Longest request; the largest one is an acknowledgement with many problems.
const REQUEST_LIMIT: usize = 4 << 20;
const PATH: &str = "/weir.sync.v1.SyncService/Stream";

/// What the service is built from.
pub(crate) struct Parts {
    pub(crate) raft: weir_raft::Handle,
    /// What registries say.
    pub(crate) table: Arc<Table>,
    pub(crate) fleet: Arc<Fleet>,
    /// What connected agents see of their nodes.
    pub(crate) health: Arc<Health>,
    pub(crate) node_id: u64,
    pub(crate) counters: Counters,
    pub(crate) settings: Settings,
    /// Ends all streams.
    pub(crate) shutdown: CancellationToken,
}

/// What all streams of a node share.
pub(crate) struct Server {
    pub(crate) raft: weir_raft::Handle,
    pub(crate) table: Arc<Table>,
    pub(crate) fleet: Arc<Fleet>,
    /// What connected agents see of their nodes.
    pub(crate) health: Arc<Health>,
    /// Name of this node towards agents.
    pub(crate) node: String,
    pub(crate) encoder: Encoder,
    pub(crate) pace: Pace,
    pub(crate) counters: Counters,
    pub(crate) settings: Settings,
    pub(crate) shutdown: CancellationToken,
}

/// The service. Cheap to clone.
#[derive(Clone)]
pub(crate) struct SyncService {
    server: Arc<Server>,
}

impl SyncService {
    /// Builds the service.
    pub(crate) fn new(parts: Parts) -> Self {
        let node = parts.node_id.to_string();
        let counters = parts.counters;
        Self {
            server: Arc::new(Server {
                encoder: Encoder::new(node.clone(), parts.settings.chunk_bytes, counters.clone()),
                pace: Pace::new(parts.settings.full_sets),
                raft: parts.raft,
                table: parts.table,
                fleet: parts.fleet,
                health: parts.health,
                node,
                counters,
                settings: parts.settings,
                shutdown: parts.shutdown,
            }),
        }
    }
}

impl StreamingService<StreamRequest> for SyncService {
    type Response = Frame;
    type ResponseStream = ReceiverStream<Result<Frame, Status>>;
    type Future = Ready<Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<Streaming<StreamRequest>>) -> Self::Future {
        let address = request
            .remote_addr()
            .map(|address| address.to_string())
            .unwrap_or_default();
        let (outbound, responses) = mpsc::channel(WAITING);
        // Ends with the stream, with the server's shutdown, or by its own limits.
        tokio::spawn(Session::run(
            Arc::clone(&self.server),
            address,
            request.into_inner(),
            outbound,
        ));
        ready(Ok(Response::new(ReceiverStream::new(responses))))
    }
}

impl<B> Service<http::Request<B>> for SyncService
where
    B: tonic::codegen::Body + Send + 'static,
    B::Error: Into<StdError> + Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move {
            if request.uri().path() != PATH {
                let status = Status::new(Code::Unimplemented, "no such method");
                return Ok(status.into_http());
            }
            let mut grpc =
                Grpc::new(FrameCodec).apply_max_message_size_config(Some(REQUEST_LIMIT), None);
            Ok(grpc.streaming(service, request).await)
        })
    }
}

impl NamedService for SyncService {
    const NAME: &'static str = "weir.sync.v1.SyncService";
}
