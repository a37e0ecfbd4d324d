//! An HTTP exchange with a server that is no node.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};

/// What is asked.
#[derive(Debug, Clone)]
pub struct HttpCall {
    /// Method.
    pub method: Method,
    /// Absolute, `http` or `https`.
    pub uri: Uri,
    /// Header fields; `Host` and `Content-Length` are added.
    pub headers: HeaderMap,
    /// Body, may be empty.
    pub body: Bytes,
    /// From the start to the end of the answer's body.
    pub timeout: Duration,
    /// Whether the server's certificate must be trusted and fit the name.
    pub verify: bool,
    /// Whether a kept connection may be used and the connection kept.
    pub keepalive: bool,
    /// How long an idle connection is kept.
    pub idle: Duration,
    /// Idle connections that are kept for one server.
    pub max_idle: usize,
    /// Whether HTTP/2 is spoken at once, without asking; else what TLS agrees on, or HTTP/1.1.
    pub http2: bool,
    /// Largest body of an answer, in bytes.
    pub max_answer: usize,
    /// What carries the call; without one the server is called straight.
    pub proxy: Option<Arc<HttpProxy>>,
}

/// A proxy. It is told the whole target of calls to `http`, and asked for tunnels to `https`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct HttpProxy {
    /// Where it is: `http`, host and port.
    pub uri: Uri,
    /// `Proxy-Authorization`.
    pub authorization: Option<HeaderValue>,
}

impl std::fmt::Debug for HttpProxy {
    /// Shows no credentials.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpProxy")
            .field("host", &self.uri.host())
            .field("port", &self.uri.port_u16())
            .finish_non_exhaustive()
    }
}

impl HttpCall {
    /// Largest body of an answer unless the caller says otherwise.
    pub const MAX_ANSWER: usize = 1 << 20;
    /// How long an idle connection is kept unless the caller says otherwise.
    pub const IDLE: Duration = Duration::from_secs(60);
    /// Idle connections kept for one server unless the caller says otherwise.
    pub const MAX_IDLE: usize = 64;

    /// A call without headers or body, verified, on a kept connection, limited to 3 s.
    #[must_use]
    pub fn new(method: Method, uri: Uri) -> Self {
        Self {
            method,
            uri,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            timeout: Duration::from_secs(3),
            verify: true,
            keepalive: true,
            idle: Self::IDLE,
            max_idle: Self::MAX_IDLE,
            http2: false,
            max_answer: Self::MAX_ANSWER,
            proxy: None,
        }
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub struct HttpAnswer {
    /// Status.
    pub status: StatusCode,
    /// Header fields.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
    /// What stood behind it.
    pub trailers: HeaderMap,
}
