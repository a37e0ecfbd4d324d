//! A batch as a client writes it, and the requests that it stands for.

use std::sync::LazyLock;

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Map, Value};
use weir_model::schema;
use weir_plugin_api::RequestHead;

use crate::service_call::OF_ONE_CONNECTION;

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("request.schema.json")).unwrap_or(Value::Bool(false))
});

const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Several requests.
#[derive(Debug, Deserialize)]
pub(super) struct Batch {
    /// Arguments of all of them.
    #[serde(default)]
    query: Map<String, Value>,
    /// Headers of all of them.
    #[serde(default)]
    headers: Map<String, Value>,
    /// Milliseconds for each.
    pub(super) timeout: u64,
    pipeline: Vec<Item>,
}

#[derive(Debug, Deserialize)]
struct Item {
    version: f64,
    method: String,
    path: String,
    #[serde(default)]
    query: Map<String, Value>,
    #[serde(default)]
    headers: Map<String, Value>,
    #[serde(default)]
    body: String,
}

impl Batch {
    /// Reads a batch of at most `most` requests.
    ///
    /// # Errors
    /// What is wrong with it, in APISIX's words.
    pub(super) fn read(body: &[u8], most: usize) -> Result<Self, String> {
        let mut value: Value = serde_json::from_slice(body).map_err(|error| {
            let shown: String = String::from_utf8_lossy(body).chars().take(200).collect();
            format!("invalid request body: {shown}, err: {error}")
        })?;
        let bad = |problem: String| format!("bad request body: {problem}");
        schema::check(&SCHEMA, &mut value).map_err(|error| bad(error.message))?;
        let batch = Self::deserialize(value).map_err(|error| bad(error.to_string()))?;
        let count = batch.pipeline.len();
        if count > most {
            return Err(format!(
                "too many pipeline requests, {count} exceeds the maximum of {most}"
            ));
        }
        Ok(batch)
    }

    /// The requests, with what they have of the one around them: its headers but `Content-...`.
    ///
    /// # Errors
    /// One of them cannot be made.
    pub(super) fn requests(&self, outer: &RequestHead) -> Result<Vec<Request<Bytes>>, String> {
        let shared = self.shared(outer)?;
        let items = self.pipeline.iter();
        items.map(|item| self.request(item, &shared)).collect()
    }

    fn shared(&self, outer: &RequestHead) -> Result<HeaderMap, String> {
        let mut headers = HeaderMap::new();
        set(&mut headers, &self.headers)?;
        let own: Vec<HeaderName> = headers.keys().cloned().collect();
        for (name, value) in &outer.headers {
            if !own.contains(name) && !name.as_str().starts_with("content-") {
                headers.append(name.clone(), value.clone());
            }
        }
        if !headers.contains_key(HOST)
            && let Ok(host) = HeaderValue::from_str(&outer.authority)
        {
            headers.insert(HOST, host);
        }
        Ok(headers)
    }

    fn request(&self, item: &Item, shared: &HeaderMap) -> Result<Request<Bytes>, String> {
        let mut uri = item.path.clone();
        let inherited = self
            .query
            .iter()
            .filter(|(name, _)| !item.query.contains_key(*name));
        for (name, value) in item.query.iter().chain(inherited) {
            uri.push(if uri.contains('?') { '&' } else { '?' });
            uri.push_str(&utf8_percent_encode(name, ENCODED).to_string());
            uri.push('=');
            uri.push_str(&utf8_percent_encode(&text(value), ENCODED).to_string());
        }
        let wrong = || {
            format!(
                "path must begin with '/' and be a path, got {:?}",
                item.path
            )
        };
        let uri: Uri = uri.parse().map_err(|_| wrong())?;
        if !item.path.starts_with('/') || uri.authority().is_some() {
            return Err(wrong());
        }
        let mut headers = HeaderMap::new();
        set(&mut headers, &item.headers)?;
        let own: Vec<HeaderName> = headers.keys().cloned().collect();
        for (name, value) in shared {
            if !own.contains(name) {
                headers.append(name.clone(), value.clone());
            }
        }
        // No request inside may say how its bytes travel.
        for name in &OF_ONE_CONNECTION {
            headers.remove(name);
        }
        let method = Method::from_bytes(item.method.as_bytes());
        let mut request = Request::new(Bytes::from(item.body.clone()));
        *request.method_mut() = method.map_err(|error| error.to_string())?;
        *request.uri_mut() = uri;
        *request.version_mut() = if item.version < 1.05 {
            Version::HTTP_10
        } else {
            Version::HTTP_11
        };
        *request.headers_mut() = headers;
        Ok(request)
    }
}

fn set(headers: &mut HeaderMap, told: &Map<String, Value>) -> Result<(), String> {
    for (name, value) in told {
        let known = HeaderName::from_bytes(name.as_bytes());
        let known = known.map_err(|_| format!("no name of a header: {name:?}"))?;
        let value = HeaderValue::from_str(&text(value));
        let value = value.map_err(|_| format!("header {name}: no value of a header"))?;
        headers.insert(known, value);
    }
    Ok(())
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
