//! A back end in the runner's own process: does what its behaviour says and records what it saw.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::behaviour::{Behaviour, Fault};
use super::raw;

/// Field of every answer that names the node.
pub(crate) const NODE: &str = "x-node";

/// A request as a node saw it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) node: String,
    pub(crate) connection: u64,
    pub(crate) method: String,
    pub(crate) uri: String,
    pub(crate) version: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) proxy: Option<String>,
}

impl Seen {
    /// A field; several of a name are joined by `, `.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let found: Vec<&str> = self
            .headers
            .iter()
            .filter(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect();
        (!found.is_empty()).then(|| found.join(", "))
    }

    /// A probe of an active health check: by agreement all of them go to paths below `/probe`.
    pub(crate) fn is_probe(&self) -> bool {
        self.uri.starts_with("/probe")
    }
}

/// What all nodes of a case saw, in this order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Record(Arc<Mutex<Vec<Seen>>>);

impl Record {
    fn lock(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, seen: Seen) {
        self.lock().push(seen);
    }

    /// Takes everything that was seen so far.
    pub(crate) fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.lock())
    }
}

struct State {
    name: String,
    behaviour: Mutex<Behaviour>,
    connections: AtomicU64,
    record: Record,
}

/// One back end. Dropping it closes everything.
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    open: Option<DropGuard>,
    plugs: Vec<TcpStream>,
}

impl Node {
    /// Opens it at `ip`.
    pub(crate) async fn start(
        name: &str,
        ip: Ipv4Addr,
        behaviour: Behaviour,
        record: &Record,
    ) -> Self {
        let port = behaviour.port.unwrap_or(0);
        let fault = behaviour.fault;
        let state = State {
            name: name.to_owned(),
            behaviour: Mutex::new(behaviour),
            connections: AtomicU64::new(0),
            record: record.clone(),
        };
        let mut node = Self {
            name: name.to_owned(),
            address: SocketAddr::from((ip, port)),
            state: Arc::new(state),
            open: None,
            plugs: Vec::new(),
        };
        node.open(fault).await;
        node
    }

    /// Changes what it does from the next request on.
    pub(crate) async fn set(&mut self, behaviour: Behaviour) {
        let fault = behaviour.fault;
        *self.state.behaviour() = behaviour;
        self.stop();
        self.open(fault).await;
    }

    /// Closes the listener and all connections.
    pub(crate) fn stop(&mut self) {
        self.open = None;
        self.plugs.clear();
    }

    /// Opens it again.
    pub(crate) async fn restart(&mut self) {
        let fault = self.state.behaviour().fault;
        self.open(fault).await;
    }

    async fn open(&mut self, fault: Option<Fault>) {
        let backlog = if fault == Some(Fault::Deaf) { 0 } else { 1024 };
        let listener = self.listen(backlog).await;
        self.address = listener.local_addr().expect("address");
        let stop = CancellationToken::new();
        match fault {
            Some(Fault::Refuses) => return,
            Some(Fault::Deaf) => {
                self.plugs = plugs(self.address).await;
                tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
                    std::future::pending::<()>().await;
                    drop(listener);
                }));
            }
            _ => {
                let accept = accept(listener, Arc::clone(&self.state), stop.clone());
                tokio::spawn(stop.clone().run_until_cancelled_owned(accept));
            }
        }
        self.open = Some(stop.drop_guard());
    }

    /// The tasks that were cancelled just before may hold the old listener for a moment.
    async fn listen(&self, backlog: u32) -> TcpListener {
        let listen = || async {
            let socket = TcpSocket::new_v4()?;
            socket.set_reuseaddr(true)?;
            socket.bind(self.address)?;
            socket.listen(backlog)
        };
        crate::wait::until(
            &format!("node {} listens", self.name),
            Duration::from_secs(10),
            listen,
        )
        .await
    }
}

/// Connections that fill the queue of a listener that does not accept.
async fn plugs(address: SocketAddr) -> Vec<TcpStream> {
    let mut plugs = Vec::new();
    let limit = Duration::from_millis(100);
    while let Ok(Ok(plug)) = tokio::time::timeout(limit, TcpStream::connect(address)).await {
        plugs.push(plug);
        assert!(plugs.len() < 64, "the queue of {address} does not fill");
    }
    plugs
}

async fn accept(listener: TcpListener, state: Arc<State>, stop: CancellationToken) {
    while let Ok((stream, _)) = listener.accept().await {
        let connection = state.connections.fetch_add(1, Ordering::Relaxed);
        let serve = serve(stream, Arc::clone(&state), connection);
        tokio::spawn(stop.clone().run_until_cancelled_owned(serve));
    }
}

async fn serve(mut stream: TcpStream, state: Arc<State>, connection: u64) {
    let _ = stream.set_nodelay(true);
    let behaviour = state.behaviour().clone();
    let proxy = match behaviour.proxy_protocol {
        true => raw::proxy_header(&mut stream).await,
        false => None,
    };
    let now = behaviour.first.first().unwrap_or(&behaviour);
    if now.fault == Some(Fault::Drops) {
        state.next("");
        return;
    }
    if let Some(says) = &now.says {
        if let Some(mut seen) = raw::read_head(&mut stream).await {
            seen.node.clone_from(&state.name);
            seen.connection = connection;
            seen.proxy = proxy;
            state.next(&seen.uri);
            state.record.add(seen);
            let _ = stream.write_all(says.as_bytes()).await;
            let _ = stream.shutdown().await;
            // The rest is read, so that the end of the connection is no reset.
            let mut rest = Vec::new();
            let _ =
                tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await;
        }
        return;
    }
    let service =
        service_fn(move |request| answer(Arc::clone(&state), connection, proxy.clone(), request));
    let _ = auto::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

impl State {
    fn behaviour(&self) -> MutexGuard<'_, Behaviour> {
        self.behaviour
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// What to do with the next request, which is for `path`.
    fn next(&self, path: &str) -> Behaviour {
        let mut behaviour = self.behaviour();
        let path = path.split('?').next().unwrap_or_default();
        if let Some(known) = behaviour.paths.get(path) {
            return known.clone();
        }
        if behaviour.first.is_empty() {
            return behaviour.clone();
        }
        behaviour.first.remove(0)
    }
}

async fn answer(
    state: Arc<State>,
    connection: u64,
    proxy: Option<String>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, String> {
    let (head, incoming) = request.into_parts();
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let fields = head.headers.iter();
    let behaviour = state.next(head.uri.path());
    let mut seen = Seen {
        node: state.name.clone(),
        connection,
        method: head.method.to_string(),
        uri: head.uri.to_string(),
        version: format!("{:?}", head.version),
        headers: fields
            .map(|(name, value)| (name.to_string(), text(value)))
            .collect(),
        body: Vec::new(),
        proxy,
    };
    if matches!(behaviour.fault, Some(Fault::Closes | Fault::Drops)) || behaviour.says.is_some() {
        state.record.add(seen);
        return Err("closes".to_owned());
    }
    seen.body = incoming
        .collect()
        .await
        .map(|body| body.to_bytes().to_vec())
        .unwrap_or_default();
    let echo = echo(&seen);
    state.record.add(seen);
    if behaviour.fault == Some(Fault::Hangs) {
        std::future::pending::<()>().await;
    }
    if behaviour.delay > 0.0 {
        tokio::time::sleep(behaviour.pause()).await;
    }
    let mut response = Response::builder()
        .status(behaviour.status.unwrap_or(200))
        .header(NODE, &state.name);
    for (name, value) in &behaviour.headers {
        response = response.header(name, value);
    }
    let body = match &behaviour.body {
        Some(body) => body.bytes(),
        None => {
            response = response.header("content-type", "application/json");
            echo.to_string().into_bytes()
        }
    };
    response
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| error.to_string())
}

fn echo(seen: &Seen) -> Value {
    let mut headers = Map::new();
    for (name, _) in &seen.headers {
        headers.insert(name.clone(), seen.header(name).into());
    }
    json!({
        "node": seen.node,
        "method": seen.method,
        "uri": seen.uri,
        "headers": headers,
        "body": String::from_utf8_lossy(&seen.body),
    })
}
