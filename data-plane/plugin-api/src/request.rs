//! The head of a request, as parsed and normalised once.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, Method, Version};

/// How the client spoke to the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Cleartext.
    Http,
    /// TLS.
    Https,
}

impl Scheme {
    /// `http` or `https`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }
}

/// Head of the client's request.
///
/// Plugins may change `headers`; the node receives them without hop-by-hop headers. The other
/// parts stay as the client sent them: what goes to the node differently is in [`UpstreamTarget`].
#[derive(Debug, Clone)]
pub struct RequestHead {
    /// Request method.
    pub method: Method,
    /// Protocol version of the client.
    pub version: Version,
    /// How the client spoke to us.
    pub scheme: Scheme,
    /// Request target as received (origin form), before normalisation.
    pub raw_target: String,
    /// Decoded path: dot segments resolved, slashes merged. Routing and policy see this.
    pub path: String,
    /// Query without `?`, as received.
    pub query: Option<String>,
    /// Host of the request, lower-cased, without port.
    pub host: String,
    /// Host header or `:authority` as received.
    pub authority: String,
    /// Header fields.
    pub headers: HeaderMap,
    /// Address of the TCP peer.
    pub peer: SocketAddr,
    /// Our address of the connection.
    pub local: SocketAddr,
    /// Address of the client: the peer, or what trusted proxies say.
    pub client_ip: IpAddr,
}

/// What the node is asked, where it differs from the client's request.
#[derive(Debug, Clone, Default)]
pub struct UpstreamTarget {
    /// Path and query to send, already percent-encoded; `None` means the client's normalised one.
    pub uri: Option<String>,
    /// Host header to send; `None` means what `pass_host` says.
    pub host: Option<String>,
    /// Method to send; `None` means the client's.
    pub method: Option<Method>,
}

/// First value of `name` in a query string, with `+` and percent sequences decoded.
#[must_use]
pub fn query_arg<'q>(query: &'q str, name: &str) -> Option<std::borrow::Cow<'q, str>> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(key) == name).then(|| decode(value))
    })
}

fn decode(text: &str) -> std::borrow::Cow<'_, str> {
    if !text.contains(['+', '%']) {
        return std::borrow::Cow::Borrowed(text);
    }
    let spaced = text.replace('+', " ");
    let decoded = percent_encoding::percent_decode_str(&spaced)
        .decode_utf8_lossy()
        .into_owned();
    std::borrow::Cow::Owned(decoded)
}
