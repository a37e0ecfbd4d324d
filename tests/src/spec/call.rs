//! The client of the specification: one connection at a time, any protocol, from any loopback
//! address.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Version};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::exchange::Over;
use super::expected::Outcome;
use super::{raw, tls};
use crate::client::Answer;

/// How long one request may take when nothing is said.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// Where to connect and how.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) over: Over,
    pub(crate) from: Option<Ipv4Addr>,
    /// Sent before everything else.
    pub(crate) relay: Option<String>,
    /// Server name, over TLS.
    pub(crate) sni: String,
    /// How long one request may take.
    pub(crate) limit: Duration,
}

/// A request, ready to be sent any number of times.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) host: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

impl Call {
    /// The call with its number in the place of `<n>`.
    pub(crate) fn numbered(&self, number: usize) -> Self {
        let fill = |text: &str| text.replace("<n>", &number.to_string());
        let headers = self.headers.iter();
        Self {
            path: fill(&self.path),
            headers: headers
                .map(|(name, value)| (name.clone(), fill(value)))
                .collect(),
            ..self.clone()
        }
    }
}

enum Connection {
    H1(http1::SendRequest<Full<Bytes>>),
    H2(http2::SendRequest<Full<Bytes>>),
}

/// A client that keeps its connection from one request to the next.
pub(crate) struct Caller {
    target: Target,
    connection: Option<Connection>,
}

impl Caller {
    pub(crate) fn new(target: Target) -> Self {
        Self {
            target,
            connection: None,
        }
    }

    /// Sends a request and reads the answer whole.
    pub(crate) async fn send(&mut self, call: &Call) -> Outcome {
        let limit = self.target.limit;
        let result = tokio::time::timeout(limit, self.exchange(call)).await;
        let result = result.unwrap_or_else(|_| Err(format!("no answer within {limit:?}")));
        if result.is_err() {
            self.connection = None;
        }
        result
    }

    /// The connection of the last request, when it is still open.
    async fn reusable(&mut self) -> Option<Connection> {
        let mut connection = self.connection.take()?;
        let open = match &mut connection {
            Connection::H1(sender) => sender.ready().await.is_ok(),
            Connection::H2(sender) => sender.ready().await.is_ok(),
        };
        open.then_some(connection)
    }

    async fn exchange(&mut self, call: &Call) -> Outcome {
        let mut connection = match self.reusable().await {
            Some(connection) => connection,
            None => connect(&self.target).await?,
        };
        let request = request(call, &connection, self.target.over)?;
        let response = match &mut connection {
            Connection::H1(sender) => sender.send_request(request).await,
            Connection::H2(sender) => sender.send_request(request).await,
        };
        let (head, body) = response.map_err(|error| format!("{error:?}"))?.into_parts();
        let body = body
            .collect()
            .await
            .map_err(|error| format!("body: {error:?}"))?;
        self.connection = Some(connection);
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body: body.to_bytes(),
        })
    }
}

/// Sends bytes over a new connection and reads one answer.
pub(crate) async fn send_raw(target: &Target, bytes: &[u8]) -> Outcome {
    let stream = open(target).await?;
    if target.over.is_tls() {
        let stream = tls::connect(&target.sni, "http/1.1", stream).await?;
        return raw::exchange(stream, bytes, target.limit).await;
    }
    raw::exchange(stream, bytes, target.limit).await
}

async fn open(target: &Target) -> Result<TcpStream, String> {
    let connect = async {
        let socket = TcpSocket::new_v4()?;
        if let Some(from) = target.from {
            socket.bind(SocketAddr::from((from, 0)))?;
        }
        let mut stream = socket.connect(target.address).await?;
        stream.set_nodelay(true)?;
        if let Some(relay) = &target.relay {
            stream.write_all(relay.as_bytes()).await?;
        }
        Ok::<_, std::io::Error>(stream)
    };
    connect
        .await
        .map_err(|error| format!("{}: {error}", target.address))
}

async fn connect(target: &Target) -> Result<Connection, String> {
    let stream = open(target).await?;
    if target.over.is_tls() {
        let alpn = if target.over.is_h2() {
            "h2"
        } else {
            "http/1.1"
        };
        let stream = tls::connect(&target.sni, alpn, stream).await?;
        handshake(target, stream).await
    } else {
        handshake(target, stream).await
    }
}

async fn handshake(
    target: &Target,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<Connection, String> {
    let stream = TokioIo::new(stream);
    if target.over.is_h2() {
        let handshake = http2::handshake(TokioExecutor::new(), stream).await;
        let (sender, connection) = handshake.map_err(|error| format!("{error:?}"))?;
        tokio::spawn(connection);
        Ok(Connection::H2(sender))
    } else {
        let handshake = http1::handshake(stream).await;
        let (sender, connection) = handshake.map_err(|error| format!("{error:?}"))?;
        tokio::spawn(connection);
        Ok(Connection::H1(sender))
    }
}

fn request(
    call: &Call,
    connection: &Connection,
    over: Over,
) -> Result<Request<Full<Bytes>>, String> {
    let scheme = if over.is_tls() { "https" } else { "http" };
    let mut request = Request::builder().method(call.method.as_str());
    request = match connection {
        Connection::H1(_) => request.uri(&call.path).header("host", &call.host),
        Connection::H2(_) => request
            .version(Version::HTTP_2)
            .uri(format!("{scheme}://{}{}", call.host, call.path)),
    };
    for (name, value) in &call.headers {
        request = request.header(name, value);
    }
    let request = request.body(Full::new(call.body.clone()));
    request.map_err(|error| format!("{} {}: {error}", call.method, call.path))
}
