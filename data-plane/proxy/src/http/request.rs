//! From a request of any version of HTTP to our own head and body.
//!
//! Everything that is checked here is checked before a route is looked for.

use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{self, HeaderMap};
use http::uri::Authority;
use http::{Method, Uri, Version, request};
use memchr::memrchr;
use weir_plugin_api::{BodyLimits, Relay, RequestBody, RequestHead, Scheme};

use super::inbound::Inbound;
use super::target::{self, PathRules};
use super::{cookie, h2, hop, trailers, upgrade};
use crate::error::{Reason, Refusal};
use crate::origin::exchange::Piece;

/// The client's body, as a stream of pieces.
pub struct ClientBody {
    inner: Option<Inbound>,
    length: Option<u64>,
    /// Bytes that may come in all.
    limit: u64,
    /// Bytes that came so far.
    taken: u64,
    trailers: Option<Box<HeaderMap>>,
    /// Read before, and to be handed out first.
    front: Option<Bytes>,
}

impl ClientBody {
    /// Wraps a body, of which `limit` bytes are taken.
    #[must_use]
    pub fn new(body: Inbound, limit: Option<u64>) -> Self {
        let length = body.length();
        Self {
            inner: (length != Some(0)).then_some(body),
            length,
            limit: limit.unwrap_or(u64::MAX),
            taken: 0,
            trailers: None,
            front: None,
        }
    }

    /// A request without body.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            inner: None,
            length: Some(0),
            limit: 0,
            taken: 0,
            trailers: None,
            front: None,
        }
    }

    /// Hands out again, first, what was read.
    pub fn put_back(&mut self, bytes: Bytes) {
        self.front = Some(bytes).filter(|bytes| !bytes.is_empty());
    }

    /// The same with everything that there is: the length is known now, unless trailers follow,
    /// which a body of known length cannot have.
    pub fn put_back_whole(&mut self, bytes: Bytes) {
        if self.trailers.is_none() {
            self.length = Some(bytes.len() as u64);
        }
        self.inner = None;
        self.put_back(bytes);
    }

    /// Hands out these bytes in place of everything: what is still to come, and trailers.
    pub fn replace(&mut self, bytes: Bytes) {
        self.trailers = None;
        self.length = Some(bytes.len() as u64);
        self.inner = None;
        self.put_back(bytes);
    }

    /// Everything that is still to come, when it has been read before.
    pub fn take_whole(&mut self) -> Option<Bytes> {
        if self.inner.is_some() {
            return None;
        }
        self.front.take()
    }

    /// Length of the body when it is known beforehand.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// Takes another number of bytes; `None` is no limit.
    pub fn set_limit(&mut self, limit: Option<u64>) {
        self.limit = limit.unwrap_or(u64::MAX);
    }

    /// Whether more was announced, or came already, than is taken.
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        self.length.unwrap_or(self.taken) > self.limit
    }

    /// Trailers that may go on, once the last piece was taken.
    pub fn take_trailers(&mut self) -> Option<Box<HeaderMap>> {
        self.trailers.take()
    }

    /// The next piece, never empty; `None` after the last.
    pub fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Reason>>> {
        if let Some(front) = self.front.take() {
            return Poll::Ready(Some(Ok(front)));
        }
        let Some(body) = &mut self.inner else {
            return Poll::Ready(None);
        };
        loop {
            match ready!(body.poll_piece(cx)) {
                None => return Poll::Ready(None),
                Some(Err(reason)) => return Poll::Ready(Some(Err(reason))),
                Some(Ok(Piece::Data(data))) if data.is_empty() => {}
                Some(Ok(Piece::Data(data))) => {
                    self.taken = self.taken.saturating_add(data.len() as u64);
                    if self.taken > self.limit {
                        return Poll::Ready(Some(Err(Reason::BodyTooLarge)));
                    }
                    return Poll::Ready(Some(Ok(data)));
                }
                Some(Ok(Piece::Trailers(trailers))) => {
                    self.trailers = trailers::forwardable(trailers).map(Box::new);
                }
            }
        }
    }
}

/// Facts of the connection that every request on it shares.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Address of the TCP peer, or of the one that a relay spoke for.
    pub peer: SocketAddr,
    /// Who told of that peer, when it is not the TCP peer itself.
    pub relay: Option<Relay>,
    /// Our address.
    pub local: SocketAddr,
    /// How the client speaks to us.
    pub scheme: Scheme,
}

/// How requests are read.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Bytes of a request target.
    pub uri_length: usize,
    /// Fields of a head.
    pub header_count: usize,
    /// How paths are read.
    pub paths: PathRules,
    /// How much of a body variables look at.
    pub bodies: BodyLimits,
}

/// A request, taken apart.
pub struct Received {
    /// Its head.
    pub head: RequestHead,
    /// Path and query for the node, where they are not those of the head.
    pub sent: Option<String>,
    /// Why it is refused.
    pub refused: Option<Refusal>,
    /// Whether it asks for a WebSocket, and as it should.
    pub upgrade: Option<Result<(), &'static str>>,
}

/// Takes a request apart and checks it. The head is complete enough for the log even when the
/// request is refused; a refused request is answered without looking for a route.
#[must_use]
pub fn head(parts: request::Parts, peer: &Peer, rules: Rules) -> Received {
    let upgrade = upgrade::asked(&parts);
    let fault = match parts.version {
        Version::HTTP_2 => h2::request::check(&parts, rules.header_count).err(),
        _ => None,
    };
    let request::Parts {
        method,
        uri,
        version,
        mut headers,
        ..
    } = parts;
    // Extended CONNECT asks for what GET does in HTTP/1.1.
    let method = match &upgrade {
        Some(_) if version == Version::HTTP_2 => Method::GET,
        _ => method,
    };
    let (path, query) = (uri.path(), uri.query());
    let mut raw_target =
        String::with_capacity(path.len() + query.map_or(0, |query| query.len() + 1));
    raw_target.push_str(path);
    if let Some(query) = query {
        raw_target.push('?');
        raw_target.push_str(query);
    }
    let mut refused = check(&method, raw_target.len(), rules.uri_length).err();
    if let Some(fault) = fault {
        tracing::debug!(%fault, peer = %peer.peer, "request refused");
        refused.get_or_insert_with(|| fault.reason().into());
    }
    let authority = authority(&headers, &uri, version).unwrap_or_else(|detail| {
        refused.get_or_insert_with(|| bad(detail));
        String::new()
    });
    let target = if path == "*" && method == Method::OPTIONS {
        target::Target::asterisk()
    } else {
        target::normalise(path, query, rules.paths).unwrap_or_else(|error| {
            refused.get_or_insert_with(|| bad(error.as_str()));
            target::Target::root()
        })
    };
    let open_ended = headers.contains_key(header::TRANSFER_ENCODING)
        || (version == Version::HTTP_2 && !headers.contains_key(header::CONTENT_LENGTH));
    if !open_ended {
        // Without a body that may have trailers, the word about them is void.
        headers.remove(header::TRAILER);
    }
    hop::remove_all(&mut headers);
    headers.remove(header::EXPECT);
    if version == Version::HTTP_2 {
        cookie::join(&mut headers);
    }
    let head = RequestHead {
        method,
        version,
        scheme: peer.scheme,
        raw_target,
        path: target.path,
        routed_path: target.routed,
        query: target.query,
        host: host_of(&authority),
        authority,
        headers,
        peer: peer.peer,
        relay: peer.relay,
        local: peer.local,
        client_ip: client_address(peer.peer.ip()),
        client_port: peer.peer.port(),
        body: RequestBody::new(rules.bodies),
    };
    Received {
        head,
        sent: target.sent,
        refused,
        upgrade,
    }
}

const fn bad(detail: &'static str) -> Refusal {
    Refusal {
        reason: Reason::BadRequest,
        detail,
    }
}

/// What is checked besides host and path.
fn check(method: &Method, target_length: usize, max_uri: usize) -> Result<(), Refusal> {
    if method == Method::CONNECT || method == Method::TRACE {
        return Err(Reason::MethodRefused.into());
    }
    if target_length > max_uri {
        return Err(Reason::UriTooLong.into());
    }
    Ok(())
}

/// An IPv4 address that came over an IPv6 socket is an IPv4 address.
#[must_use]
pub fn client_address(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// The one Host of the request, from the target or the header. A request that says two different
/// things is refused.
fn authority(headers: &HeaderMap, uri: &Uri, version: Version) -> Result<String, &'static str> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err("host is given twice");
    }
    let host = host
        .map(|value| value.to_str().map_err(|_| INVALID))
        .transpose()?;
    let of_target = uri.authority().map(Authority::as_str);
    let text = match (of_target, host) {
        (Some(target), Some(host)) if !is_same(target, host, uri.scheme_str()) => {
            return Err("host differs from that of the target");
        }
        (Some(target), _) => target,
        (None, Some(host)) => host,
        (None, None) if version <= Version::HTTP_10 => return Ok(String::new()),
        (None, None) => return Err("host is missing"),
    };
    // A missing host is written as an empty field (RFC 9112 section 3.2).
    if text.is_empty() || is_authority(text) {
        Ok(text.to_owned())
    } else {
        Err(INVALID)
    }
}

const INVALID: &str = "host is not a name or address with an optional port";

/// Whether both name one place: in any case, the port of the scheme being there or not.
fn is_same(target: &str, host: &str, scheme: Option<&str>) -> bool {
    let port = match scheme {
        Some("https") => "443",
        _ => "80",
    };
    let bare = |authority| match split_port(authority) {
        (name, Some(told)) if told.is_empty() || told == port => name,
        _ => authority,
    };
    bare(target).eq_ignore_ascii_case(bare(host))
}

/// Host and optional port, nothing else: no user part, no path, no blanks.
fn is_authority(text: &str) -> bool {
    let (host, port) = split_port(text);
    // What parses a number takes a plus sign.
    let digits = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let port_is_good =
        port.is_none_or(|port| port.is_empty() || (digits(port) && port.parse::<u16>().is_ok()));
    let host_is_good = match host.strip_prefix('[') {
        Some(rest) => rest
            .strip_suffix(']')
            .is_some_and(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok()),
        None => {
            !host.is_empty()
                && host
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(&byte))
        }
    };
    port_is_good && host_is_good
}

fn split_port(authority: &str) -> (&str, Option<&str>) {
    let colon = memrchr(b':', authority.as_bytes());
    let parts = colon.and_then(|at| Some((authority.get(..at)?, authority.get(at + 1..)?)));
    match parts {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

/// Whether one field alone takes more than `most` bytes, name and value.
#[must_use]
pub fn has_long_field(headers: &HeaderMap, most: usize) -> bool {
    let mut fields = headers.iter();
    fields.any(|(name, value)| name.as_str().len() + value.len() > most)
}

/// Lower-cased host without port and without the root dot.
fn host_of(authority: &str) -> String {
    let (host, _) = split_port(authority);
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

#[cfg(test)]
mod tests;
