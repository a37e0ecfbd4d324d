//! The one HTTP client of the registries: bounded in size and time, with TLS as the document says.

#[cfg(test)]
pub(crate) mod fake;
mod server;
mod tls;

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::{FixedServerNameResolver, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::Client as Legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls_pki_types::ServerName;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;
use weir_model::registry::RegistryTls;
use weir_net::causes;

pub(crate) use server::{Server, Servers};

use crate::credentials::Environment;
use crate::error::excerpt;
use crate::{Error, ErrorKind};

/// Bytes that an answer may have. The largest honest ones are whole Eureka registries.
pub(crate) const BODY_LIMIT: usize = 32 << 20;
/// Silence after which a connection is probed, so that one that died without a word is noticed
/// while a long poll waits.
const KEEPALIVE: Duration = Duration::from_secs(15);

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;
pub(crate) type Connector = BoxCloneSyncService<Uri, Stream, BoxError>;

/// A client with its connections. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Client {
    http: Legacy<Connector, Full<Bytes>>,
    connector: Connector,
    body_limit: usize,
}

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// From the start to the last byte of the answer.
    pub(crate) limit: Duration,
}

impl Call {
    /// A GET that must be answered within `limit`.
    pub(crate) fn get(path: impl Into<String>, limit: Duration) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            limit,
        }
    }
}

/// A complete answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// Who gave it.
    pub(crate) server: String,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Client {
    /// A client that connects within `connect`.
    pub(crate) fn new(
        connect: Duration,
        tls: &RegistryTls,
        env: Environment<'_>,
    ) -> Result<Self, Error> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEPALIVE));
        tcp.set_keepalive_interval(Some(KEEPALIVE));
        let builder = HttpsConnectorBuilder::new()
            .with_tls_config(tls::config(tls, env)?)
            .https_or_http();
        let builder = match &tls.server_name {
            Some(name) => {
                let wrong = |_| Error::config(format!("tls.server_name: {name:?} is not a name"));
                let name = ServerName::try_from(name.clone()).map_err(wrong)?;
                builder.with_server_name_resolver(FixedServerNameResolver::new(name))
            }
            None => builder,
        };
        let connector = builder.enable_all_versions().wrap_connector(tcp);
        // The limit is for name, TCP and TLS together.
        let limited = tower::service_fn(move |uri: Uri| {
            let connecting = connector.clone().oneshot(uri);
            async move {
                match tokio::time::timeout(connect, connecting).await {
                    Ok(connected) => connected,
                    Err(_) => Err(BoxError::from(format!("no connection within {connect:?}"))),
                }
            }
        });
        let connector = BoxCloneSyncService::new(limited);
        let http = Legacy::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(60))
            .build(connector.clone());
        Ok(Self {
            http,
            connector,
            body_limit: BODY_LIMIT,
        })
    }

    /// What makes its connections, for what is spoken otherwise than by requests and answers.
    pub(crate) fn connector(&self) -> Connector {
        self.connector.clone()
    }

    /// Sends a request and reads the whole answer, whatever its status.
    pub(crate) async fn send(&self, server: &Server, call: Call) -> Result<Answer, Error> {
        let limit = call.limit;
        let deadline = Instant::now() + limit;
        let response = timeout_at(deadline, self.begin(server, call)).await;
        let response = response.map_err(|_| Error::timeout(server, limit))??;
        self.finish(server, response, deadline, limit).await
    }

    /// Reads the rest of an answer until `deadline`, which is the end of `limit`.
    pub(crate) async fn finish(
        &self,
        server: &Server,
        response: http::Response<Incoming>,
        deadline: Instant,
        limit: Duration,
    ) -> Result<Answer, Error> {
        let (head, body) = response.into_parts();
        let body = timeout_at(deadline, self.read(server, body)).await;
        Ok(Answer {
            server: server.to_string(),
            status: head.status,
            headers: head.headers,
            body: body.map_err(|_| Error::timeout(server, limit))??,
        })
    }

    /// Sends a request and returns when the head of the answer is there; `call.limit` is not
    /// watched.
    pub(crate) async fn begin(
        &self,
        server: &Server,
        call: Call,
    ) -> Result<http::Response<Incoming>, Error> {
        let uri = server.url(&call.path)?;
        let mut request = Request::new(Full::new(call.body));
        *request.method_mut() = call.method;
        *request.uri_mut() = uri;
        *request.headers_mut() = call.headers;
        request
            .headers_mut()
            .entry(http::header::USER_AGENT)
            .or_insert(HeaderValue::from_static(concat!(
                "weir/",
                env!("CARGO_PKG_VERSION")
            )));
        let sent = self.http.request(request).await;
        sent.map_err(|error| failure(server, &error))
    }

    async fn read(&self, server: &Server, mut body: Incoming) -> Result<Bytes, Error> {
        let mut read = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| {
                let message = format!("the answer broke off: {}", causes(&error));
                Error::at(server, ErrorKind::Unreachable, message)
            })?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            if read.len() + data.len() > self.body_limit {
                let message = format!("the answer is larger than {} bytes", self.body_limit);
                return Err(Error::at(server, ErrorKind::TooLarge, message));
            }
            read.extend_from_slice(&data);
        }
        Ok(read.freeze())
    }
}

impl Answer {
    /// The body as JSON, when the status is a success.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        self.success()?;
        serde_json::from_slice(&self.body).map_err(|error| self.malformed(error.to_string()))
    }

    /// What the status means, unless it is a success.
    pub(crate) fn success(&self) -> Result<(), Error> {
        if self.status.is_success() {
            return Ok(());
        }
        let said = excerpt(&self.body);
        let kind = match self.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ErrorKind::Refused,
            _ => ErrorKind::Failed,
        };
        let mut message = format!("answered {}", self.status.as_u16());
        if !said.is_empty() {
            message.push_str(": ");
            message.push_str(&said);
        }
        Err(Error::at(&self.server, kind, message))
    }

    /// The answer is not what the protocol says.
    pub(crate) fn malformed(&self, what: impl std::fmt::Display) -> Error {
        let message = format!("the answer cannot be read: {what}");
        Error::at(&self.server, ErrorKind::Malformed, message)
    }

    /// A header as text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// A header value that must not show up in logs.
pub(crate) fn secret_header(field: &str, text: &str) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| Error::config(format!("{field}: has characters that a header cannot have")))?;
    value.set_sensitive(true);
    Ok(value)
}

fn failure(server: &Server, error: &hyper_util::client::legacy::Error) -> Error {
    Error::at(server, kind_of(error), causes(error))
}

/// What kind of failure the causes of an error make it: of TLS, of what was said, or of the
/// connection.
pub(crate) fn kind_of(error: &Cause) -> ErrorKind {
    let is_parse = |cause: &Cause| {
        cause
            .downcast_ref::<hyper::Error>()
            .is_some_and(hyper::Error::is_parse)
    };
    if any_cause(error, &|cause| cause.is::<rustls::Error>()) {
        ErrorKind::Tls
    } else if any_cause(error, &is_parse) {
        ErrorKind::Malformed
    } else {
        ErrorKind::Unreachable
    }
}

type Cause = dyn std::error::Error + 'static;

/// Whether an error or one of its causes `fits`. An I/O error hides what it wraps from `source`.
fn any_cause(error: &Cause, fits: &dyn Fn(&Cause) -> bool) -> bool {
    let wrapped = error.downcast_ref::<std::io::Error>();
    let wrapped = wrapped.and_then(std::io::Error::get_ref);
    fits(error)
        || wrapped.is_some_and(|wrapped| any_cause(wrapped, fits))
        || error.source().is_some_and(|cause| any_cause(cause, fits))
}

#[cfg(test)]
mod tests;
