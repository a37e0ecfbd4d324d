//! The head of a request, as parsed and normalised once.

use std::net::{IpAddr, SocketAddr};

use crate::upstreams::UpstreamChoice;
use http::{HeaderMap, Method, Version};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::body::RequestBody;

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

/// What stands between the client and us and said so in a PROXY header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relay {
    /// Its address: that of the TCP peer.
    pub address: SocketAddr,
    /// Where the client connected to.
    pub destination: SocketAddr,
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
    /// The path that routes are matched with, where it is another one: with `%2F` kept in it.
    pub routed_path: Option<String>,
    /// Query without `?`, as received.
    pub query: Option<String>,
    /// Host of the request, lower-cased, without port.
    pub host: String,
    /// Host header or `:authority` as received.
    pub authority: String,
    /// Header fields.
    pub headers: HeaderMap,
    /// Address of the TCP peer, or of the one that a relay spoke for.
    pub peer: SocketAddr,
    /// Who told of that peer, when it is not the TCP peer itself.
    pub relay: Option<Relay>,
    /// Our address of the connection.
    pub local: SocketAddr,
    /// Address of the client: the peer, or what trusted proxies say.
    pub client_ip: IpAddr,
    /// Its port: the peer's, unless who tells the address tells the port as well.
    pub client_port: u16,
    /// What is known of the body, for variables.
    pub body: RequestBody,
}

impl RequestHead {
    /// Bytes of the head as it came, about.
    #[must_use]
    pub fn size(&self) -> u64 {
        let fields = self.headers.iter();
        let fields: usize = fields
            .map(|(name, value)| name.as_str().len() + value.len() + 4)
            .sum();
        (self.method.as_str().len() + self.raw_target.len() + fields + 14) as u64
    }

    /// `HTTP/1.1` and the like.
    #[must_use]
    pub const fn protocol(&self) -> &'static str {
        match self.version {
            Version::HTTP_10 => "HTTP/1.0",
            Version::HTTP_2 => "HTTP/2.0",
            Version::HTTP_3 => "HTTP/3.0",
            _ => "HTTP/1.1",
        }
    }

    /// `Content-Type`, empty when there is none.
    #[must_use]
    pub fn content_type(&self) -> &str {
        let value = self.headers.get(http::header::CONTENT_TYPE);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
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
    /// Where to send it; `None` means the route's upstream.
    pub upstream: Option<UpstreamChoice>,
}

/// First value of `name` in a query string, with `+` and percent sequences decoded.
#[must_use]
pub fn query_arg<'q>(query: &'q str, name: &str) -> Option<std::borrow::Cow<'q, str>> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(key) == name).then(|| decode(value))
    })
}

/// What may not stand in a path as it is: all but `pchar` and `/` of RFC 3986 section 3.3. `%` is
/// encoded too, since the input is decoded text.
const PATH_UNSAFE: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Percent-encodes a decoded path. The result holds visible ASCII only, neither `?` nor `#`.
#[must_use]
pub fn encode_path(path: &str) -> String {
    utf8_percent_encode(path, PATH_UNSAFE).to_string()
}

/// The query without the arguments called `name`; `None` when nothing is left.
#[must_use]
pub fn query_without(query: &str, name: &str) -> Option<String> {
    let kept: Vec<&str> = query
        .split('&')
        .filter(|pair| decode(pair.split_once('=').map_or(*pair, |(key, _)| key)) != name)
        .collect();
    (!kept.is_empty()).then(|| kept.join("&"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_value_of_an_argument_is_found_and_decoded() {
        let query = "a=1&b=x%20y+z&a=2&flag";
        assert_eq!(query_arg(query, "a").as_deref(), Some("1"));
        assert_eq!(query_arg(query, "b").as_deref(), Some("x y z"));
        assert_eq!(query_arg(query, "flag").as_deref(), Some(""));
        assert_eq!(query_arg(query, "c"), None);
        assert_eq!(query_arg("%61=1", "a").as_deref(), Some("1"));
    }

    #[test]
    fn every_copy_of_an_argument_is_removed_however_it_is_encoded() {
        assert_eq!(
            query_without("a=1&k=2&%6b=3&b", "k").as_deref(),
            Some("a=1&b")
        );
        assert_eq!(query_without("k=2&k", "k"), None);
        assert_eq!(query_without("kk=2", "k").as_deref(), Some("kk=2"));
    }

    #[test]
    fn an_encoded_path_is_visible_ascii_without_separators() {
        assert_eq!(encode_path("/a b/?#%/é"), "/a%20b/%3F%23%25/%C3%A9");
        assert_eq!(encode_path("/a\r\nb"), "/a%0D%0Ab");
        assert_eq!(
            encode_path("/a:b@c;d,e=f!$&'()*+~"),
            "/a:b@c;d,e=f!$&'()*+~"
        );
    }
}
