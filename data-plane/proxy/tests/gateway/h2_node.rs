//! A node that speaks HTTP/2, frame by frame where a test wants it.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use h2::server::{Connection, SendResponse};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

pub type Answering = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A listening node; it lives as long as the test process.
pub struct H2Node {
    pub address: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
}

/// What a node does with the request of this number, counted from 0.
pub trait Answer: Fn(usize, Request<RecvStream>, SendResponse<Bytes>) -> Answering {}

impl<F: Fn(usize, Request<RecvStream>, SendResponse<Bytes>) -> Answering> Answer for F {}

impl H2Node {
    /// In clear, with prior knowledge.
    pub fn start(answer: impl Answer + Send + Sync + 'static) -> Self {
        Self::listen(None, usize::MAX, answer)
    }

    /// A node whose connections say goodbye after so many requests, and take no more.
    pub fn leaving_after(requests: usize, answer: impl Answer + Send + Sync + 'static) -> Self {
        Self::listen(None, requests, answer)
    }

    pub fn tls(
        config: Arc<rustls::ServerConfig>,
        answer: impl Answer + Send + Sync + 'static,
    ) -> Self {
        Self::listen(Some(TlsAcceptor::from(config)), usize::MAX, answer)
    }

    fn listen(
        tls: Option<TlsAcceptor>,
        each: usize,
        answer: impl Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (connections, requests) =
            (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let counters = (Arc::clone(&connections), Arc::clone(&requests));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                let answer = Arc::new(answer);
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    counters.0.fetch_add(1, Ordering::SeqCst);
                    let (tls, answer) = (tls.clone(), Arc::clone(&answer));
                    let requests = Arc::clone(&counters.1);
                    tokio::spawn(async move {
                        match tls {
                            None => serve(stream, each, requests, answer).await,
                            Some(tls) => {
                                if let Ok(stream) = tls.accept(stream).await {
                                    serve(stream, each, requests, answer).await;
                                }
                            }
                        }
                    });
                }
            });
        });
        Self {
            address,
            connections,
            requests,
        }
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    each: usize,
    requests: Arc<AtomicUsize>,
    answer: Arc<impl Answer + Send + Sync + 'static>,
) {
    let Ok(mut connection): Result<Connection<S, Bytes>, _> = h2::server::handshake(stream).await
    else {
        return;
    };
    let mut taken = 0;
    while let Some(Ok((request, respond))) = connection.accept().await {
        taken += 1;
        if taken == each {
            connection.graceful_shutdown();
        }
        let number = requests.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(answer(number, request, respond));
    }
}

/// Answers 200 with this text.
pub fn text(text: &'static str) -> impl Answer + Send + Sync {
    move |_, _, mut respond: SendResponse<Bytes>| -> Answering {
        Box::pin(async move {
            let mut body = respond.send_response(Response::new(()), false).unwrap();
            body.send_data(Bytes::from(text), true).unwrap();
        })
    }
}

/// Sends every piece back as it comes, and then the trailers of the request, under other names.
pub fn echo() -> impl Answer + Send + Sync {
    |_, request: Request<RecvStream>, mut respond: SendResponse<Bytes>| -> Answering {
        Box::pin(async move {
            let mut head = Response::new(());
            for (from, to) in [
                ("te", "x-te"),
                ("x-sent", "x-sent"),
                ("content-length", "x-length"),
            ] {
                if let Some(value) = request.headers().get(from) {
                    head.headers_mut().insert(to, value.clone());
                }
            }
            let authority = request.uri().authority().unwrap().to_string();
            head.headers_mut()
                .insert("x-authority", authority.parse().unwrap());
            head.headers_mut()
                .insert("trailer", "x-end".parse().unwrap());
            let mut from = request.into_body();
            let mut to = respond.send_response(head, false).unwrap();
            while let Some(piece) = from.data().await {
                let Ok(piece) = piece else { return };
                from.flow_control().release_capacity(piece.len()).unwrap();
                if send(&mut to, piece).await.is_none() {
                    return;
                }
            }
            let mut end = HeaderMap::new();
            if let Ok(Some(trailers)) = from.trailers().await
                && let Some(value) = trailers.get("x-begin")
            {
                end.insert("x-end", value.clone());
            }
            end.insert("grpc-status", "0".parse().unwrap());
            let _ = to.send_trailers(end);
        })
    }
}

/// Sends a piece as the other side has room.
pub async fn send(to: &mut SendStream<Bytes>, mut piece: Bytes) -> Option<()> {
    while !piece.is_empty() {
        to.reserve_capacity(piece.len());
        let room = match to.capacity() {
            0 => std::future::poll_fn(|cx| to.poll_capacity(cx))
                .await?
                .ok()?,
            room => room,
        };
        let part = piece.split_to(room.min(piece.len()));
        to.send_data(part, false).ok()?;
    }
    Some(())
}
