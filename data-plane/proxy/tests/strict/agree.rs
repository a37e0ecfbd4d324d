//! The product's parsers against the second strict reader: they take the same input for whole
//! messages, and read the same parts out of it. Shared by the property tests and the fuzz targets.
//!
//! Compared is what decides: whether a message is complete, where it ends, and what it says. When a
//! refusal comes is left to each, since the reader never sees pieces.

use bytes::BytesMut;
use http::{HeaderMap, Method, Version};
use weir_plugin_api::{BodyLimits, Scheme};
use weir_proxy::gateway::Limits;
use weir_proxy::h1::body::{Bounds, Decoded, Decoder};
use weir_proxy::h1::scan::Scanner;
use weir_proxy::http::h1::parse as request;
use weir_proxy::http::request::{Peer, Rules, head};
use weir_proxy::http::target::{PathRules, normalise};
use weir_proxy::origin::h1::parse as response;
use weir_reader::{Fields, Framing, Read};

/// Room enough for every input that is compared: limits are not what this is about.
const BOUNDS: Bounds = Bounds {
    extension: 64 * 1024,
    trailer_bytes: 64 * 1024,
    trailer_count: 4096,
};

fn limits() -> Limits {
    Limits {
        header_count: 4096,
        ..Limits::default()
    }
}

/// The input in pieces of these sizes, again and again.
fn pieces<'i>(mut input: &'i [u8], sizes: &[usize]) -> Vec<&'i [u8]> {
    let mut pieces = Vec::new();
    for size in sizes.iter().cycle().chain(std::iter::repeat(&usize::MAX)) {
        if input.is_empty() {
            break;
        }
        let (piece, rest) = input.split_at((*size).clamp(1, input.len()));
        pieces.push(piece);
        input = rest;
    }
    pieces
}

/// What both must agree on, of a head.
#[derive(Debug, PartialEq, Eq)]
struct Same {
    start: String,
    fields: Vec<(String, Vec<u8>)>,
    framing: Framing,
    size: usize,
}

fn sorted(mut fields: Vec<(String, Vec<u8>)>) -> Vec<(String, Vec<u8>)> {
    // Only the order of values of one name says something.
    fields.sort_by(|one, other| one.0.cmp(&other.0));
    fields
}

fn of_map(map: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    let pair = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        (name.to_string(), value.as_bytes().to_vec())
    };
    sorted(map.iter().map(pair).collect())
}

/// Characters that no URI has (RFC 3986), and which each may refuse or take.
fn is_disputed(target: &str) -> bool {
    target.bytes().any(|byte| b"\"<>\\^`{|}".contains(&byte))
}

/// Compares the two readings of a request's head.
///
/// # Panics
/// When they disagree.
pub(crate) fn request_head(input: &[u8], sizes: &[usize]) {
    let second = match weir_reader::request_head(input) {
        Read::Whole(head, _) if is_disputed(&head.target) => return,
        Read::Whole(head, size) if is_served(&head) => Some(Same {
            start: format!("{} {} 1.{}", head.method, meaning(&head.target), head.minor),
            fields: sorted(head.fields.0),
            framing: plain(head.framing),
            size,
        }),
        _ => None,
    };
    let first = first_request(input, sizes);
    assert_eq!(first, second, "{:?}", String::from_utf8_lossy(input));
}

/// Whether the product serves it at all, whoever reads it.
fn is_served(head: &weir_reader::RequestHead) -> bool {
    let path = weir_reader::origin(&head.target).0;
    let refused_method = head.method == "CONNECT" || head.method == "TRACE";
    let expects = head.minor == 1
        && !head
            .fields
            .all("expect")
            .all(|value| value.eq_ignore_ascii_case(b"100-continue"));
    !refused_method
        && !expects
        && head.method.len() <= 48
        && (head.target == "*" || weir_reader::path(path).is_ok())
}

fn meaning(target: &str) -> String {
    let (path, query) = weir_reader::origin(target);
    let path = if target == "*" {
        "*".to_owned()
    } else {
        weir_reader::path(path).unwrap_or_default()
    };
    format!("{path}?{query:?}")
}

fn first_request(input: &[u8], sizes: &[usize]) -> Option<Same> {
    let limits = limits();
    let mut buffer = BytesMut::new();
    let mut scanner = Scanner::default();
    let skipped = if input.starts_with(b"\r\n") { 2 } else { 0 };
    for piece in pieces(input.get(skipped..)?, sizes) {
        buffer.extend_from_slice(piece);
        if let Some(size) = request::find_end(&mut scanner, &buffer, &limits).ok()? {
            let taken = request::take_head(&mut buffer, size, &limits).ok()?;
            let fields = of_map(&taken.parts.headers);
            let framing = framing(&taken.body);
            let minor = u8::from(taken.parts.version == Version::HTTP_11);
            let peer = Peer {
                peer: ([127, 0, 0, 1], 1).into(),
                relay: None,
                local: ([127, 0, 0, 1], 2).into(),
                scheme: Scheme::Http,
            };
            let rules = Rules {
                uri_length: usize::MAX,
                header_count: 4096,
                paths: PathRules::default(),
                bodies: BodyLimits::default(),
            };
            let received = head(taken.parts, &peer, rules);
            if received.refused.is_some() {
                return None;
            }
            let head = received.head;
            return Some(Same {
                start: format!(
                    "{} {}?{:?} 1.{minor}",
                    head.method,
                    head.path,
                    head.query.as_deref()
                ),
                fields,
                framing,
                size: skipped + size,
            });
        }
    }
    None
}

/// An empty body is none.
fn plain(framing: Framing) -> Framing {
    match framing {
        Framing::Length(0) => Framing::None,
        other => other,
    }
}

fn framing(body: &Decoder) -> Framing {
    match body.remaining() {
        Some(0) => Framing::None,
        Some(length) => Framing::Length(length),
        None if body.ends_with_connection() => Framing::Close,
        None => Framing::Chunked,
    }
}

/// Compares the two readings of an answer's head.
///
/// # Panics
/// When they disagree.
pub(crate) fn response_head(input: &[u8], asked: &Method, sizes: &[usize]) {
    let second = match weir_reader::response_head(input, asked.as_str()) {
        // Interim answers and switching are a matter of the exchange, not of the head.
        Read::Whole(head, _) if head.status < 200 => return,
        Read::Whole(head, size) => {
            let framing = plain(head.framing);
            Some((head.status, framing, size))
        }
        Read::Partial | Read::Refused(_) => None,
    };
    let first = first_response(input, asked, sizes);
    assert_eq!(first, second, "{:?}", String::from_utf8_lossy(input));
}

fn first_response(input: &[u8], asked: &Method, sizes: &[usize]) -> Option<(u16, Framing, usize)> {
    let mut buffer = BytesMut::new();
    let mut scanner = Scanner::default();
    for piece in pieces(input, sizes) {
        buffer.extend_from_slice(piece);
        if let Some(size) = response::find_end(&mut scanner, &buffer).ok()? {
            let asked = response::Asked {
                method: asked.clone(),
                accept: None,
            };
            let head = response::take_head(&mut buffer, size, &asked).ok()?;
            if head.status.is_informational() {
                return None;
            }
            return Some((head.status.as_u16(), framing(&head.body), size));
        }
    }
    None
}

/// Compares the two readings of a chunked body.
///
/// # Panics
/// When they disagree.
pub(crate) fn chunked(input: &[u8], sizes: &[usize]) {
    let second = weir_reader::chunked(input).whole();
    let second = second.map(|(read, size)| (read.body, passed(read.trailers), size));
    let first = first_chunked(input, sizes);
    assert_eq!(first, second, "{:?}", String::from_utf8_lossy(input));
}

type Body = (Vec<u8>, Vec<(String, Vec<u8>)>, usize);

fn first_chunked(input: &[u8], sizes: &[usize]) -> Option<Body> {
    let mut decoder = Decoder::chunked(BOUNDS);
    let (mut buffer, mut body, mut fed) = (BytesMut::new(), Vec::new(), 0);
    for piece in pieces(input, sizes) {
        buffer.extend_from_slice(piece);
        fed += piece.len();
        loop {
            match decoder.decode(&mut buffer).ok()? {
                Decoded::Data(data) => {
                    assert!(!data.is_empty(), "a piece of a body is never empty");
                    body.extend_from_slice(&data);
                }
                Decoded::More => break,
                Decoded::End => {
                    let trailers = decoder.take_trailers().unwrap_or_default();
                    return Some((body, of_map(&trailers), fed - buffer.len()));
                }
            }
        }
    }
    None
}

/// The trailers that may go on, by a list of our own.
fn passed(trailers: Fields) -> Vec<(String, Vec<u8>)> {
    const KEPT_BACK: &str = "authorization cache-control connection content-encoding content-length \
        content-range content-type cookie expect host keep-alive max-forwards proxy-authorization \
        proxy-connection set-cookie te trailer transfer-encoding upgrade";
    let named: Vec<String> = trailers
        .all("connection")
        .flat_map(|value| value.split(|byte| *byte == b','))
        .map(|name| String::from_utf8_lossy(name.trim_ascii()).to_ascii_lowercase())
        .collect();
    let passes =
        |name: &String| !KEPT_BACK.split(' ').any(|kept| kept == name) && !named.contains(name);
    sorted(
        trailers
            .0
            .into_iter()
            .filter(|(name, _)| passes(name))
            .collect(),
    )
}

/// Compares the two meanings of a path, and that what a node is sent means the same.
///
/// # Panics
/// When they disagree.
pub(crate) fn path(raw: &str) {
    let second = weir_reader::path(raw).ok();
    let first = normalise(raw, None, PathRules::default()).ok();
    let first = first.map(|target| target.path);
    assert_eq!(first, second, "{raw:?}");
    if let Some(path) = first {
        let mut sent = String::new();
        weir_proxy::http::target::encode_path(&path, &mut sent);
        assert_eq!(
            weir_reader::path(&sent),
            Ok(path),
            "{raw:?} is sent as {sent:?}"
        );
    }
}
