//! A gRPC server in the test's own process, made with tonic: the other end of calls through a gateway.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::{Buf, BufMut, Bytes};
use futures_util::{Stream, StreamExt};
use http_body_util::BodyExt;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::MetadataMap;
use tonic::server::{Grpc, NamedService};
use tonic::{Code, Request, Response, Status, Streaming};
use tower::{Service, service_fn};

/// Path of a method of the server.
pub fn method(name: &str) -> http::uri::PathAndQuery {
    format!("/{}/{name}", Echo::NAME)
        .parse()
        .expect("the path of a method")
}

/// Messages as they stand on the wire.
#[derive(Debug, Clone, Copy, Default)]
pub struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut item = vec![0; from.remaining()];
        from.copy_to_slice(&mut item);
        Ok(Some(item))
    }
}

/// Its methods: `unary` and `echo` give back what they get, `count` gives the numbers below the one
/// that it gets, `join` all that it gets at once, `hang` nothing. A message `fail N` ends a call with
/// status N, and `refuse` with the status that is the last byte of its message.
#[derive(Clone, Default)]
struct Echo {
    /// Calls of `hang` that are under way.
    hanging: Arc<AtomicUsize>,
}

impl NamedService for Echo {
    const NAME: &'static str = "weir.test.Echo";
}

type Answer = Result<Response<Vec<u8>>, Status>;
type Messages = Pin<Box<dyn Stream<Item = Result<Vec<u8>, Status>> + Send>>;

impl<B> Service<http::Request<B>> for Echo
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let hanging = Arc::clone(&self.hanging);
        let (head, body) = request.into_parts();
        let name = head.uri.path().rsplit('/').next().map(str::to_owned);
        let body = Body::new(body.map_err(|error| Status::from_error(error.into())));
        let request = http::Request::from_parts(head, body);
        Box::pin(async move {
            let mut grpc = Grpc::new(Raw);
            Ok(match name.as_deref() {
                Some("unary") => grpc.unary(service_fn(unary), request).await,
                Some("refuse") => grpc.unary(service_fn(refuse), request).await,
                Some("join") => grpc.client_streaming(service_fn(join), request).await,
                Some("count") => grpc.server_streaming(service_fn(count), request).await,
                Some("echo") => grpc.streaming(service_fn(echo), request).await,
                Some("hang") => {
                    let _hanging = Hanging::begin(hanging);
                    let hang = |_: Request<Vec<u8>>| std::future::pending::<Answer>();
                    grpc.unary(service_fn(hang), request).await
                }
                _ => Status::unimplemented("no such method").into_http(),
            })
        })
    }
}

/// A call that is under way, until it is dropped.
struct Hanging(Arc<AtomicUsize>);

impl Hanging {
    fn begin(count: Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The message, or the status that it asks for, with metadata for the trailers.
fn message(message: Vec<u8>) -> Result<Vec<u8>, Status> {
    let text = String::from_utf8_lossy(&message).into_owned();
    let Some(code) = text.strip_prefix("fail ") else {
        return Ok(message);
    };
    let mut metadata = MetadataMap::new();
    metadata.insert("x-end", "of the call".parse().expect("metadata"));
    let code = Code::from_i32(code.parse().unwrap_or(2));
    Err(Status::with_metadata(code, "as asked: ä", metadata))
}

async fn unary(request: Request<Vec<u8>>) -> Answer {
    let asked = request.metadata().get("x-ask").cloned();
    let mut response = Response::new(message(request.into_inner())?);
    if let Some(asked) = asked {
        response.metadata_mut().insert("x-asked", asked);
    }
    Ok(response)
}

async fn refuse(request: Request<Vec<u8>>) -> Answer {
    let code = request.get_ref().last().copied().unwrap_or(2);
    let code = Code::from_i32(i32::from(code));
    // google.rpc.Status: a code and a message.
    let details = Bytes::from_static(b"\x08\x05\x12\x04gone");
    Err(Status::with_details(code, "as asked", details))
}

async fn join(request: Request<Streaming<Vec<u8>>>) -> Answer {
    let mut all = Vec::new();
    let mut messages = request.into_inner();
    while let Some(next) = messages.next().await {
        all.extend(message(next?)?);
    }
    Ok(Response::new(all))
}

async fn count(request: Request<Vec<u8>>) -> Result<Response<Messages>, Status> {
    let asked = String::from_utf8_lossy(request.get_ref()).into_owned();
    let (number, end) = asked.split_once(',').unwrap_or((&asked, ""));
    let number: u32 = number
        .parse()
        .map_err(|_| Status::invalid_argument("expected a number"))?;
    let numbers = (0..number).map(|number| Ok(number.to_string().into_bytes()));
    let end = (!end.is_empty()).then(|| message(end.as_bytes().to_vec()));
    Ok(Response::new(Box::pin(futures_util::stream::iter(
        numbers.chain(end).collect::<Vec<_>>(),
    ))))
}

async fn echo(request: Request<Streaming<Vec<u8>>>) -> Result<Response<Messages>, Status> {
    let messages = request.into_inner().map(|next| next.and_then(message));
    Ok(Response::new(Box::pin(messages)))
}

/// The server, on a free port. Dropping it ends it with its connections.
pub struct GrpcNode {
    /// Where it listens.
    pub address: SocketAddr,
    echo: Echo,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<()>,
}

impl GrpcNode {
    /// Starts it without TLS.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("address");
        let (stop, stopped) = oneshot::channel();
        let echo = Echo::default();
        let serve = tonic::transport::Server::builder()
            .add_service(echo.clone())
            .serve_with_incoming_shutdown(TcpListenerStream::new(listener), async {
                let _ = stopped.await;
            });
        let running = tokio::spawn(async move { serve.await.expect("a gRPC server") });
        Self {
            address,
            echo,
            stop: Some(stop),
            running,
        }
    }

    /// `host:port`, as a node of an upstream.
    pub fn node(&self) -> String {
        self.address.to_string()
    }

    /// Calls of `hang` that are under way.
    pub fn hanging(&self) -> usize {
        self.echo.hanging.load(Ordering::SeqCst)
    }

    /// Ends it as a deployment does: says so to its clients, finishes what is open, goes.
    pub async fn retire(mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        let running = &mut self.running;
        running.await.expect("the server ends");
    }
}

impl Drop for GrpcNode {
    fn drop(&mut self) {
        self.running.abort();
    }
}
