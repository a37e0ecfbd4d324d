//! Batches to HTTP servers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Uri};
use weir_plugin_api::outside::{HttpCall, Outside};

use super::batch::{Delivery, Sender};
use super::entry::Entry;
use crate::header_edit::header_name;

/// Posts batches to servers in turn.
pub(crate) struct Posts<E = Entry> {
    calls: Vec<HttpCall>,
    /// The first status that is a failure.
    failure: u16,
    next: AtomicUsize,
    encode: Box<Encode<E>>,
}

type Encode<E> = dyn Fn(&[E]) -> Bytes + Send + Sync;

impl<E> Posts<E> {
    /// One call for each server, whose body is what `encode` makes of a batch. Every status below 400
    /// is good.
    pub(crate) fn new<B: Into<Bytes>>(
        calls: Vec<HttpCall>,
        encode: impl Fn(&[E]) -> B + Send + Sync + 'static,
    ) -> Self {
        Self {
            calls,
            failure: 400,
            next: AtomicUsize::new(0),
            encode: Box::new(move |batch| encode(batch).into()),
        }
    }

    /// The same, where being sent elsewhere is a failure too.
    #[must_use]
    pub(crate) fn strict(self) -> Self {
        Self {
            failure: 300,
            ..self
        }
    }

    /// The call that is next; `None` when there is none, which schemas exclude.
    fn next(&self) -> Option<&HttpCall> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        self.calls.get(turn.checked_rem(self.calls.len())?)
    }
}

impl<E: 'static> Sender<E> for Posts<E> {
    fn send(&self, outside: &Arc<dyn Outside>, batch: &[E]) -> Delivery {
        let Some(call) = self.next() else {
            let reason = "no server is configured".to_owned();
            return Box::pin(std::future::ready(Err(reason.into())));
        };
        let mut call = call.clone();
        call.body = (self.encode)(batch);
        let (answer, failure) = (outside.http(call), self.failure);
        Box::pin(async move {
            let answer = answer.await.map_err(|error| error.to_string())?;
            if answer.status.as_u16() < failure {
                return Ok(());
            }
            let said = answer.body.get(..200).unwrap_or(&answer.body);
            let said = String::from_utf8_lossy(said);
            Err(format!("answered with {}: {said}", answer.status).into())
        })
    }
}

/// A call for each of these places of servers, with a path behind it.
///
/// # Errors
/// A place is no URL; `field` is named.
pub(crate) fn calls(
    field: &str,
    places: &[String],
    path: &str,
    call: impl Fn(Uri) -> HttpCall,
) -> Result<Vec<HttpCall>, String> {
    let uris = places.iter().map(|place| url(field, place, path));
    uris.map(|uri| uri.map(&call)).collect()
}

fn url(field: &str, place: &str, path: &str) -> Result<Uri, String> {
    let text = match path {
        "" => place.to_owned(),
        path => format!("{}{path}", place.trim_end_matches('/')),
    };
    text.parse::<Uri>()
        .ok()
        .filter(|uri| uri.scheme().is_some())
        .ok_or_else(|| {
            format!("{field}: expected a URL such as http://127.0.0.1:9200, got {place:?}")
        })
}

/// Header fields from a configuration.
///
/// # Errors
/// A name or value cannot stand in a header; `field` is named.
pub(crate) fn headers(field: &str, fields: &BTreeMap<String, String>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let name = header_name(field, name)?;
        let value = HeaderValue::from_str(value)
            .map_err(|_| format!("{field}.{name} must be able to stand in a header"))?;
        headers.insert(name, value);
    }
    Ok(headers)
}
