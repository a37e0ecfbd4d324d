//! What `gzip`, `brotli` and `zstd` have in common: which answers are compressed, and for whom.

mod accept;
mod codec;
#[cfg(test)]
mod tests;
mod types;

use std::sync::Arc;

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_TYPE, ETAG, VARY,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};
use serde::{Deserialize, Serialize};
use weir_plugin_api::{BodyEncoder, ContentCoding, Context, Plugin, ResponseHead};

pub(crate) use codec::Codec;
pub use types::Types;

/// What operators choose for every coding: a part of the configurations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Selection {
    /// Content types to compress.
    pub types: Types,
    /// Smallest `Content-Length`; does not count without one.
    pub min_length: u64,
    /// Lowest version of HTTP: 1.1 or 1.
    pub http_version: f64,
    /// Whether answers carry `Vary: Accept-Encoding`.
    pub vary: Option<bool>,
}

impl Default for Selection {
    fn default() -> Self {
        Self {
            types: Types::default(),
            min_length: 20,
            http_version: 1.1,
            vary: None,
        }
    }
}

/// A compressing plugin, ready to run.
pub struct Compiled(Arc<Compression>);

struct Compression {
    codec: Codec,
    types: Types,
    min_length: u64,
    old_clients: bool,
    vary: bool,
}

impl Compiled {
    /// Compresses what is selected.
    pub(crate) fn new(codec: Codec, selection: Selection) -> Self {
        Self(Arc::new(Compression {
            codec,
            types: selection.types.lower_cased(),
            min_length: selection.min_length,
            old_clients: selection.http_version < 1.1,
            vary: selection.vary.unwrap_or_default(),
        }))
    }
}

impl Plugin for Compiled {
    fn header_filter(&self, context: &mut Context) {
        let coding: Arc<dyn ContentCoding> = self.0.clone();
        context.offer_coding(coding);
    }
}

impl ContentCoding for Compression {
    fn weigh(&self, context: &mut Context) -> Option<u16> {
        let (method, version) = (&context.request.method, context.request.version);
        let head = context.response.as_mut()?;
        let asked = *method != Method::HEAD && (self.old_clients || version > Version::HTTP_10);
        if !asked || !self.takes(head) {
            return None;
        }
        if self.vary {
            tell_dependence(&mut head.headers);
        }
        accept::wanted(&context.request.headers, self.codec.token())
    }

    fn begin(&self, head: &mut ResponseHead) -> Box<dyn BodyEncoder> {
        let headers = &mut head.headers;
        headers.remove(CONTENT_LENGTH);
        // Ranges would be of the plain form.
        headers.remove(ACCEPT_RANGES);
        headers.insert(
            CONTENT_ENCODING,
            HeaderValue::from_static(self.codec.token()),
        );
        weaken(headers);
        head.body_changes = true;
        match self.codec.encoder() {
            Ok(encoder) => encoder,
            Err(error) => Box::new(Unable(Some(error))),
        }
    }
}

impl Compression {
    /// Whether an answer with this head is one to compress.
    fn takes(&self, head: &ResponseHead) -> bool {
        let (status, headers) = (head.status, &head.headers);
        let bodiless = status.is_informational()
            || matches!(
                status,
                StatusCode::NO_CONTENT
                    | StatusCode::RESET_CONTENT
                    | StatusCode::PARTIAL_CONTENT
                    | StatusCode::NOT_MODIFIED
            );
        !bodiless
            && !headers.contains_key(CONTENT_RANGE)
            && !is_encoded(headers)
            && !has_directive(headers, "no-transform")
            && text(headers, &CONTENT_TYPE).is_some_and(|kind| self.types.have(kind))
            && text(headers, &CONTENT_LENGTH)
                .and_then(|length| length.parse::<u64>().ok())
                .is_none_or(|length| length >= self.min_length)
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &http::HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

fn is_encoded(headers: &HeaderMap) -> bool {
    let values = headers.get_all(CONTENT_ENCODING).iter();
    let mut named = values.filter(|value| !value.is_empty());
    named.any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"))
}

fn has_directive(headers: &HeaderMap, wanted: &str) -> bool {
    let values = headers.get_all(CACHE_CONTROL).iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|directive| directive.trim().eq_ignore_ascii_case(wanted))
}

/// Adds `Vary: Accept-Encoding` unless it is there.
fn tell_dependence(headers: &mut HeaderMap) {
    let told = headers
        .get_all(VARY)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|name| name == "*" || name.eq_ignore_ascii_case(ACCEPT_ENCODING.as_str()));
    if !told {
        headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
}

/// The compressed form is another one byte by byte, so a strong validator becomes a weak one.
fn weaken(headers: &mut HeaderMap) {
    let Some(tag) = headers.get(ETAG).map(HeaderValue::as_bytes) else {
        return;
    };
    if tag.starts_with(b"W/") {
        return;
    }
    match HeaderValue::from_bytes(&[b"W/", tag].concat()) {
        Ok(weak) if tag.starts_with(b"\"") => headers.insert(ETAG, weak),
        _ => headers.remove(ETAG),
    };
}

/// In the place of an encoder that could not be made.
struct Unable(Option<std::io::Error>);

impl BodyEncoder for Unable {
    fn encode(&mut self, _chunk: &mut Bytes, _end: bool) -> std::io::Result<()> {
        Err(self
            .0
            .take()
            .unwrap_or_else(|| std::io::Error::other("no encoder")))
    }
}
