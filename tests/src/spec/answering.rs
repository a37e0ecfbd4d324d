//! How a back end answers: by its behaviour, over one connection.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::behaviour::Fault;
use super::node::State;
use super::seen::{Connection, Seen};
use super::{raw, tls};

/// Field of every answer that names the node.
pub(crate) const NODE: &str = "x-node";

/// Serves a connection to its end.
pub(crate) async fn serve(mut stream: TcpStream, state: Arc<State>, number: u64) {
    let _ = stream.set_nodelay(true);
    let (tls, proxy_protocol, fault) = {
        let behaviour = state.behaviour();
        let now = behaviour.first.first().unwrap_or(&behaviour);
        (behaviour.tls.clone(), behaviour.proxy_protocol, now.fault)
    };
    match fault {
        Some(Fault::Drops) => {
            state.next("");
            return;
        }
        Some(Fault::Stuck) => std::future::pending().await,
        _ => {}
    }
    let mut connection = Connection {
        number,
        ..Connection::default()
    };
    if proxy_protocol {
        connection.proxy = raw::proxy_header(&mut stream).await;
    }
    match tls {
        None => speak(stream, state, connection).await,
        Some(tls) => {
            if let Ok((stream, peer)) = tls::accept(&tls, stream).await {
                connection.peer = peer;
                speak(stream, state, connection).await;
            }
        }
    }
}

async fn speak(
    mut stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    state: Arc<State>,
    connection: Connection,
) {
    let says = {
        let behaviour = state.behaviour();
        behaviour.first.first().unwrap_or(&behaviour).says.clone()
    };
    if let Some(says) = says {
        if let Some(mut seen) = raw::read_head(&mut stream).await {
            seen.node.clone_from(&state.name);
            seen.connection = connection;
            state.next(&seen.uri);
            state.record.add(seen);
            let _ = stream.write_all(says.as_bytes()).await;
            let _ = stream.shutdown().await;
            // The rest is read, so that the end of the connection is no reset.
            let mut rest = Vec::new();
            let read = stream.read_to_end(&mut rest);
            let _ = tokio::time::timeout(Duration::from_secs(5), read).await;
        }
        return;
    }
    let service =
        service_fn(move |request| answer(Arc::clone(&state), connection.clone(), request));
    let _ = auto::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer(
    state: Arc<State>,
    connection: Connection,
    request: Request<Incoming>,
) -> Result<Response<BoxBody<Bytes, Infallible>>, String> {
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
    let body = Full::new(Bytes::from(body));
    let body = if behaviour.trailers.is_empty() {
        body.boxed()
    } else {
        let trailers = HeaderMap::try_from(&behaviour.trailers);
        let trailers = trailers.map_err(|error| error.to_string())?;
        body.with_trailers(std::future::ready(Some(Ok(trailers))))
            .boxed()
    };
    response.body(body).map_err(|error| error.to_string())
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
