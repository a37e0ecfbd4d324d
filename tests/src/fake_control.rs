//! A fake control node: speaks `weir.sync.v1` and sends what a real one would have refused.

use std::net::SocketAddr;
use std::pin::Pin;

use futures_util::Stream;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Request, Response, Status, Streaming};
use weir_proto::resource::{Key, Resource};
use weir_proto::sync::sync_service_server::{SyncService, SyncServiceServer};
use weir_proto::sync::{Acknowledge, StreamRequest, StreamResponse, stream_request};

type Responses = Pin<Box<dyn Stream<Item = Result<StreamResponse, Status>> + Send>>;

/// Serves one agent stream at a time; the test says what is sent.
pub struct FakeControl {
    /// Where it listens.
    pub address: SocketAddr,
    streams: mpsc::Receiver<FakeStream>,
    _stop: DropGuard,
}

/// One stream that an agent opened.
pub struct FakeStream {
    send: mpsc::Sender<Result<StreamResponse, Status>>,
    acknowledged: mpsc::Receiver<Acknowledge>,
}

struct Service {
    opened: mpsc::Sender<FakeStream>,
}

#[tonic::async_trait]
impl SyncService for Service {
    type StreamStream = Responses;

    async fn stream(
        &self,
        request: Request<Streaming<StreamRequest>>,
    ) -> Result<Response<Responses>, Status> {
        let mut incoming = request.into_inner();
        let (send, responses) = mpsc::channel(16);
        let (seen, acknowledged) = mpsc::channel(16);
        let opened = FakeStream { send, acknowledged };
        self.opened
            .send(opened)
            .await
            .map_err(|_| Status::unavailable("the test is over"))?;
        tokio::spawn(async move {
            while let Some(Ok(message)) = incoming.next().await {
                if let Some(stream_request::Message::Acknowledge(ack)) = message.message {
                    let _ = seen.send(ack).await;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(responses))))
    }
}

impl FakeControl {
    /// Starts it on a free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("address");
        let (opened, streams) = mpsc::channel(4);
        let stop = CancellationToken::new();
        let serve = tonic::transport::Server::builder()
            .add_service(SyncServiceServer::new(Service { opened }))
            .serve_with_incoming_shutdown(
                TcpListenerStream::new(listener),
                stop.clone().cancelled_owned(),
            );
        tokio::spawn(serve);
        Self {
            address,
            streams,
            _stop: stop.drop_guard(),
        }
    }

    /// The next stream that an agent opens.
    pub async fn stream(&mut self) -> FakeStream {
        let limit = crate::cluster::PATIENCE;
        let opened = tokio::time::timeout(limit, self.streams.recv()).await;
        opened.expect("an agent connects").expect("the server runs")
    }
}

impl FakeStream {
    /// Sends documents (`kind`, `id`, spec) as one complete response and returns the answer.
    pub async fn send(
        &mut self,
        revision: u64,
        full: bool,
        documents: &[(&str, &str, Value)],
    ) -> Acknowledge {
        let upserts = documents
            .iter()
            .map(|(kind, id, spec)| Resource {
                key: Some(Key {
                    kind: (*kind).to_owned(),
                    id: (*id).to_owned(),
                }),
                spec: spec.to_string().into_bytes(),
                created: revision,
                modified: revision,
                create_time: 1,
                update_time: 1,
                expires_at_ms: 0,
            })
            .collect();
        let response = StreamResponse {
            nonce: format!("nonce-{revision}"),
            revision,
            full,
            upserts,
            last: true,
            cluster_id: "fake".to_owned(),
            node: "fake".to_owned(),
            ..StreamResponse::default()
        };
        self.send
            .send(Ok(response))
            .await
            .expect("the agent is connected");
        let answer = tokio::time::timeout(crate::cluster::PATIENCE, self.acknowledged.recv()).await;
        answer
            .expect("the agent answers")
            .expect("the agent is connected")
    }
}
