//! Answers from the cache.

use bytes::Bytes;
use http::header::{
    AGE, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_TYPE, DATE, ETAG, EXPIRES,
    HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, VARY,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use weir_plugin_api::{Context, Response};

use super::entry::{Body, Entry};
use super::{Compiled, State, Status};

/// What a 304 tells (RFC 9110 section 15.4.5).
const OF_NOT_MODIFIED: [HeaderName; 7] = [
    CACHE_CONTROL,
    CONTENT_LOCATION,
    DATE,
    ETAG,
    EXPIRES,
    VARY,
    LAST_MODIFIED,
];

/// An answer from the cache on its way.
pub(super) struct Served {
    pub(super) status: Status,
    /// Length that is told although there is no body.
    length: Option<u64>,
    /// Whether the entry has a content type.
    typed: bool,
}

impl Compiled {
    /// The answer that an entry makes.
    pub(super) fn serve(
        &self,
        context: &mut Context,
        entry: &Entry,
        body: Bytes,
        status: Status,
    ) -> Response {
        let age = entry.age(context.host.monotonic()).as_secs();
        let not_modified = is_known(&context.request.headers, entry);
        let mut response = if not_modified {
            Response::text(StatusCode::NOT_MODIFIED, Bytes::new())
        } else {
            Response::text(entry.status, body)
        };
        for (name, value) in &entry.headers {
            let told = !not_modified || OF_NOT_MODIFIED.contains(name);
            if told && *name != AGE {
                response.headers.push((name.clone(), value.clone()));
            }
        }
        response.headers.push((AGE, HeaderValue::from(age)));
        let length = match &entry.body {
            Body::Memory(body) => body.len() as u64,
            Body::Disk(file) => file.size(),
        };
        *context.local_mut() = State::Served(Served {
            status,
            length: (context.request.method == Method::HEAD && !not_modified).then_some(length),
            typed: entry.headers.contains_key(CONTENT_TYPE),
        });
        response
    }
}

impl Served {
    /// What the head of an answer of ours lacks, or has too much, to be that of the node.
    pub(super) fn finish_head(self, context: &mut Context) {
        context.record.from_gateway = false;
        let Some(response) = &mut context.response else {
            return;
        };
        if !self.typed {
            response.headers.remove(CONTENT_TYPE);
        }
        if let Some(length) = self.length {
            response
                .headers
                .insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
    }
}

/// Whether the client has this answer already (RFC 9110 section 13.1).
fn is_known(request: &HeaderMap, entry: &Entry) -> bool {
    if entry.status != StatusCode::OK {
        return false;
    }
    if request.contains_key(IF_NONE_MATCH) {
        let tag = entry.headers.get(ETAG).and_then(|tag| tag.to_str().ok());
        let mut asked = request.get_all(IF_NONE_MATCH).iter();
        return asked.any(|value| {
            let value = value.to_str().unwrap_or_default();
            value.trim() == "*" || tag.is_some_and(|tag| has_tag(value, tag))
        });
    }
    let date = |headers: &HeaderMap, name: HeaderName| {
        httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()
    };
    let since = date(request, IF_MODIFIED_SINCE);
    let changed = date(&entry.headers, LAST_MODIFIED);
    matches!((since, changed), (Some(since), Some(changed)) if changed <= since)
}

/// Whether a list of entity tags has one, compared weakly.
fn has_tag(list: &str, tag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let wanted = opaque(tag);
    list.split(',').any(|member| opaque(member) == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_compared_weakly() {
        assert!(has_tag("\"a\", W/\"b\"", "\"b\""));
        assert!(has_tag("W/\"a\"", "W/\"a\""));
        assert!(!has_tag("\"ab\"", "\"a\""));
        assert!(!has_tag("", "\"a\""));
    }
}
