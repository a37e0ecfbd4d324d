//! Answers of nodes: which of them are kept, and what stands for those that cannot be had.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::header::{
    AGE, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderName, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, LAST_MODIFIED, SET_COOKIE,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use weir_plugin_api::{Context, Host, ResponseHead};

use super::entry::{Body, Entry, selects, vary};
use super::flights::Flight;
use super::freshness::Life;
use super::lookup::Request;
use super::zone::Filling;
use super::{Compiled, State, Status};

/// A request that goes to a node.
pub(super) struct Fetch {
    request: Request,
    /// Fields of the request, as the entry was looked for.
    headers: HeaderMap,
    /// Those who wait for this answer.
    flight: Option<Flight>,
    /// What there was before, with its body.
    before: Option<(Arc<Entry>, Bytes)>,
    /// Whether the node was asked if that has changed.
    asks: bool,
}

/// An answer that is kept when its body is whole.
pub(super) struct Collection {
    key: String,
    status: StatusCode,
    headers: HeaderMap,
    life: Life,
    vary: Vec<HeaderName>,
    selects: Vec<Option<String>>,
    /// Length that the head told.
    length: Option<u64>,
    chunks: Vec<Bytes>,
    size: u64,
    filling: Filling,
    flight: Option<Flight>,
}

impl Fetch {
    /// Whether a node can be asked if an answer has changed.
    pub(super) fn can_ask(entry: &Entry) -> bool {
        entry.status == StatusCode::OK
            && (entry.headers.contains_key(ETAG) || entry.headers.contains_key(LAST_MODIFIED))
    }

    /// Sends the request on its way; conditions of our own are added when it has none.
    pub(super) fn begin(
        context: &mut Context,
        request: Request,
        before: Option<(Arc<Entry>, Bytes)>,
        flight: Option<Flight>,
        partial: bool,
    ) -> Self {
        context.keep_node_head = true;
        let headers = context.request.headers.clone();
        let mut asks = false;
        if let Some((entry, _)) = before.as_ref().filter(|_| !partial) {
            for (condition, validator) in
                [(IF_NONE_MATCH, ETAG), (IF_MODIFIED_SINCE, LAST_MODIFIED)]
            {
                if let Some(value) = entry.headers.get(validator) {
                    context.request.headers.insert(condition, value.clone());
                    asks = entry.status == StatusCode::OK;
                }
            }
        }
        Self {
            request,
            headers,
            flight,
            before,
            asks,
        }
    }

    /// Whether the answer in hand says that the one from before cannot be replaced.
    fn failed(&self, context: &Context, status: StatusCode) -> bool {
        let error = matches!(status.as_u16(), 500 | 502 | 503 | 504);
        let record = &context.record;
        // A refusal by another plugin is no failure of a node.
        let tried = !record.from_gateway
            || !record.reason.is_empty()
            || !record.upstream_statuses.is_empty();
        let now = context.host.monotonic();
        let before = self.before.as_ref();
        error && tried && before.is_some_and(|(entry, _)| entry.serves_errors(now))
    }
}

impl Compiled {
    /// Decides what becomes of the answer of a node, or of the one that the gateway made in its place.
    pub(super) fn fetched(&self, context: &mut Context, mut fetch: Fetch) -> (State, Status) {
        let told = fetch.request.told;
        let Some(status) = context.response.as_ref().map(|response| response.status) else {
            return (State::Idle, told);
        };
        if fetch.failed(context, status)
            && let Some((entry, body)) = fetch.before.take()
        {
            return (stand_for(context, &entry, body), Status::Stale);
        }
        let Some(head) = context
            .node_head
            .take()
            .filter(|_| !context.record.from_gateway)
        else {
            return (State::Idle, told);
        };
        if fetch.asks
            && head.status == StatusCode::NOT_MODIFIED
            && let Some((entry, body)) = fetch.before.take()
        {
            let told = if self.on_disk {
                Status::Revalidated
            } else {
                told
            };
            return (self.refresh(context, fetch, &head, &entry, body), told);
        }
        (self.collect(context, fetch, head), told)
    }

    /// The state in which the answer is collected, if it is kept.
    fn collect(&self, context: &Context, fetch: Fetch, head: ResponseHead) -> State {
        let seconds = context.host.unix_ms() / 1000;
        let length = length(&head.headers);
        let largest = self.max_body.min(self.zone.largest());
        let life = self
            .rules
            .life(head.status, &head.headers, fetch.request.asked, seconds);
        let refused = length.is_some_and(|length| length > largest)
            || context.request.method == http::Method::HEAD
            || self
                .no_cache
                .as_ref()
                .is_some_and(|values| values.hold(context));
        let (Some(life), false) = (life, refused) else {
            if let Some(flight) = fetch.flight {
                flight.not_kept(context.host.monotonic());
            }
            return State::Idle;
        };
        let vary = vary(&head.headers);
        State::Collects(Box::new(Collection {
            selects: selects(&vary, &fetch.headers),
            key: fetch.request.key,
            status: head.status,
            headers: head.headers,
            life,
            vary,
            length,
            chunks: Vec::new(),
            size: 0,
            filling: self.zone.fill(),
            flight: fetch.flight,
        }))
    }

    /// An answer that has not changed lives again.
    fn refresh(
        &self,
        context: &mut Context,
        fetch: Fetch,
        head: &ResponseHead,
        entry: &Entry,
        body: Bytes,
    ) -> State {
        let mut headers = entry.headers.clone();
        headers.remove(AGE);
        for name in head.headers.keys() {
            if *name == CONTENT_LENGTH || *name == CONTENT_ENCODING || *name == CONTENT_TYPE {
                continue;
            }
            headers.remove(name);
            for value in head.headers.get_all(name) {
                headers.append(name, value.clone());
            }
        }
        let now = context.host.monotonic();
        let seconds = context.host.unix_ms() / 1000;
        let life = self
            .rules
            .life(entry.status, &headers, fetch.request.asked, seconds);
        let vary = vary(&headers);
        let fresh = Entry {
            status: entry.status,
            selects: selects(&vary, &fetch.headers),
            headers,
            body: entry.body.clone(),
            stored_at: now,
            life: life.unwrap_or(entry.life),
        };
        let state = stand_for(context, &fresh, body);
        match life {
            Some(_) => self.zone.insert(&fetch.request.key, vary, fresh),
            None => drop(self.zone.purge(&fetch.request.key)),
        }
        state
    }

    /// Keeps a body that is whole.
    pub(super) fn keep(&self, collection: Collection, host: &dyn Host, goes_on: bool) {
        let whole = goes_on
            && collection
                .length
                .is_none_or(|length| length == collection.size);
        if !whole {
            if let Some(flight) = collection.flight {
                flight.not_kept(host.monotonic());
            }
            return;
        }
        let now = host.monotonic();
        let body = collection.body();
        let zone = Arc::clone(&self.zone);
        if zone.store.is_none() {
            collection.insert(&zone, Body::Memory(body), now);
            return;
        }
        host.outside().spawn(Box::pin(async move {
            let Some(store) = &zone.store else {
                return;
            };
            match store.write(body).await {
                Ok(file) => collection.insert(&zone, Body::Disk(Arc::new(file)), now),
                Err(error) => tracing::warn!(%error, "answer cannot be cached on disk"),
            }
        }));
    }

    /// After a change that went well, what was kept is not what the node has (RFC 9111 section 4.4).
    pub(super) fn changed(&self, context: &Context, key: &str) {
        let status = context.response.as_ref().map(|response| response.status);
        let done = status.is_some_and(|status| status.is_success() || status.is_redirection());
        if done && !context.record.from_gateway {
            self.zone.purge(key);
        }
    }
}

impl Collection {
    /// Takes a chunk; `false` when the body is too large to be kept.
    pub(super) fn add(&mut self, chunk: &Bytes, largest: u64) -> bool {
        let size = chunk.len() as u64;
        self.size += size;
        if !chunk.is_empty() {
            self.chunks.push(chunk.clone());
        }
        self.size <= largest && self.filling.grow(size)
    }

    /// The body in one piece, which holds no buffer of a connection.
    fn body(&self) -> Bytes {
        let mut body = BytesMut::with_capacity(usize::try_from(self.size).unwrap_or_default());
        for chunk in &self.chunks {
            body.extend_from_slice(chunk);
        }
        body.freeze()
    }

    fn insert(self, zone: &super::zone::Zone, body: Body, now: std::time::Duration) {
        let entry = Entry {
            status: self.status,
            headers: self.headers,
            body,
            stored_at: now,
            life: self.life,
            selects: self.selects,
        };
        zone.insert(&self.key, self.vary, entry);
        // Only now: those who wait shall find it.
        drop(self.flight);
    }
}

/// Puts a kept answer in the place of the one that came.
fn stand_for(context: &mut Context, entry: &Entry, body: Bytes) -> State {
    let age = entry.age(context.host.monotonic()).as_secs();
    context.record.from_gateway = false;
    let Some(response) = &mut context.response else {
        return State::Idle;
    };
    response.status = entry.status;
    response.body_changes = true;
    for name in [CONTENT_TYPE, CONTENT_ENCODING, SET_COOKIE] {
        response.headers.remove(name);
    }
    for name in entry.headers.keys() {
        response.headers.remove(name);
        for value in entry.headers.get_all(name) {
            response.headers.append(name, value.clone());
        }
    }
    response.headers.remove(CONTENT_LENGTH);
    response.headers.insert(AGE, HeaderValue::from(age));
    State::Replaces(body)
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
