//! A fake host and request builders, for the tests of plugins and of the chain.
//!
//! Only built for tests, through the feature `testkit`. Wrong input panics: it is a mistake in a test.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "test support: wrong input is a mistake in the test"
)]

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use serde_json::Value;
use weir_model::Key;

use crate::body::RequestBody;
use crate::context::Context;
use crate::host::{Consumer, Host, Location};
use crate::outside::{Outside, Unreachable};
use crate::request::{RequestHead, Scheme};
use crate::response::ResponseHead;
use crate::stream::{StreamHead, Transport};

/// A host whose clock stands still until told otherwise.
#[derive(Default)]
pub struct FakeHost {
    nanos: AtomicU64,
    random: AtomicU64,
    seed: AtomicU64,
    by_key: Mutex<HashMap<(String, String), Arc<Consumer>>>,
    by_name: Mutex<HashMap<String, Arc<Consumer>>>,
    outside: Mutex<Option<Arc<dyn Outside>>>,
    locations: Mutex<HashMap<IpAddr, Location>>,
    upstreams: Mutex<HashSet<Arc<str>>>,
    documents: Mutex<HashMap<Key, Arc<Value>>>,
}

impl FakeHost {
    /// A host at time zero without consumers.
    #[must_use]
    pub fn shared() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        let nanos = u64::try_from(by.as_nanos()).expect("a short time");
        self.nanos.fetch_add(nanos, Ordering::SeqCst);
    }

    /// Scatters its random numbers, which are 0, 1, 2 and so on before: always in the same way for a
    /// seed other than 0.
    pub fn scatter(&self, seed: u64) {
        self.seed.store(seed, Ordering::SeqCst);
    }

    /// Sets what can be reached beyond nodes.
    pub fn set_outside(&self, outside: Arc<dyn Outside>) {
        *self.outside.lock().unwrap() = Some(outside);
    }

    /// Places an address.
    pub fn add_location(&self, address: IpAddr, location: Location) {
        self.locations.lock().unwrap().insert(address, location);
    }

    /// Adds an upstream object.
    pub fn add_upstream(&self, id: &str) {
        self.upstreams.lock().unwrap().insert(Arc::from(id));
    }

    /// Stores a document.
    pub fn add_document(&self, key: Key, document: Value) {
        let mut documents = self.documents.lock().unwrap();
        documents.insert(key, Arc::new(document));
    }

    /// Adds a consumer that is found by its name.
    pub fn add_consumer(&self, consumer: Consumer) -> Arc<Consumer> {
        let consumer = Arc::new(consumer);
        let name = consumer.name.clone();
        self.by_name
            .lock()
            .unwrap()
            .insert(name, Arc::clone(&consumer));
        consumer
    }

    /// Adds a consumer that is also found by `key` of `plugin`.
    pub fn add_key(&self, plugin: &str, key: &str, consumer: Consumer) {
        let consumer = self.add_consumer(consumer);
        let at = (plugin.to_owned(), key.to_owned());
        self.by_key.lock().unwrap().insert(at, consumer);
    }
}

impl Host for FakeHost {
    fn unix_ms(&self) -> u64 {
        1_700_000_000_000 + self.nanos.load(Ordering::SeqCst) / 1_000_000
    }

    fn monotonic(&self) -> Duration {
        Duration::from_nanos(self.nanos.load(Ordering::SeqCst))
    }

    fn random(&self) -> u64 {
        let number = self.random.fetch_add(1, Ordering::SeqCst);
        match self.seed.load(Ordering::SeqCst) {
            0 => number,
            seed => splitmix(seed, number),
        }
    }

    fn find_consumer(&self, plugin: &str, key: &str) -> Option<Arc<Consumer>> {
        let at = (plugin.to_owned(), key.to_owned());
        self.by_key.lock().unwrap().get(&at).cloned()
    }

    fn consumer_by_name(&self, name: &str) -> Option<Arc<Consumer>> {
        self.by_name.lock().unwrap().get(name).cloned()
    }

    fn has_upstream(&self, id: &Arc<str>) -> bool {
        self.upstreams.lock().unwrap().contains(id)
    }

    fn document(&self, key: &Key) -> Option<Arc<Value>> {
        self.documents.lock().unwrap().get(key).cloned()
    }

    fn outside(&self) -> Arc<dyn Outside> {
        let set = self.outside.lock().unwrap().clone();
        set.unwrap_or_else(|| Arc::new(Unreachable))
    }

    fn hostname(&self) -> &str {
        "test-host"
    }

    fn https_port(&self) -> Option<u16> {
        Some(9443)
    }

    fn location(&self, address: IpAddr) -> Option<Location> {
        self.locations.lock().unwrap().get(&address).cloned()
    }
}

/// The random number at a position (splitmix64).
fn splitmix(seed: u64, position: u64) -> u64 {
    let state = seed.wrapping_add(position.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

/// Builds a request.
#[must_use]
pub struct RequestBuilder {
    head: RequestHead,
}

/// A GET request for `target` (path and query as the client sent them), from 192.0.2.1 to
/// `example.com`.
pub fn request(target: &str) -> RequestBuilder {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (target, None),
    };
    let path = percent_encoding::percent_decode_str(path)
        .decode_utf8()
        .expect("a UTF-8 path")
        .into_owned();
    let peer: SocketAddr = "192.0.2.1:50000".parse().expect("an address");
    RequestBuilder {
        head: RequestHead {
            method: Method::GET,
            version: Version::HTTP_11,
            scheme: Scheme::Http,
            raw_target: target.to_owned(),
            path,
            routed_path: None,
            query,
            host: "example.com".into(),
            authority: "example.com".into(),
            headers: HeaderMap::new(),
            peer,
            relay: None,
            local: "192.0.2.254:9080".parse().expect("an address"),
            client_ip: peer.ip(),
            client_port: peer.port(),
            body: RequestBody::default(),
        },
    }
}

impl RequestBuilder {
    /// Sets the method.
    pub fn method(mut self, method: Method) -> Self {
        self.head.method = method;
        self
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.head.headers.append(
            HeaderName::from_bytes(name.as_bytes()).expect("a header name"),
            HeaderValue::from_bytes(value.as_bytes()).expect("a header value"),
        );
        self
    }

    /// Gives it a body, which has been read.
    pub fn body(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        self.head.body.set(body.into());
        self.header("content-type", content_type)
    }

    /// Sets the client's address.
    pub fn client(mut self, address: &str) -> Self {
        self.head.peer = address.parse().expect("an address");
        self.head.client_ip = self.head.peer.ip();
        self.head.client_port = self.head.peer.port();
        self
    }

    /// The head alone.
    pub fn head(self) -> RequestHead {
        self.head
    }

    /// The state of this request on `host`.
    pub fn context(self, host: Arc<FakeHost>) -> Context {
        Context::new(self.head, host)
    }
}

/// The head of a TCP stream from `client` to `local`.
#[must_use]
pub fn stream(client: &str, local: &str) -> StreamHead {
    StreamHead {
        client: client.parse().expect("an address"),
        local: local.parse().expect("an address"),
        relay: None,
        transport: Transport::Tcp,
        server_name: None,
    }
}

/// The head of an answer with these headers.
#[must_use]
pub fn response(status: u16, headers: &[(&str, &str)]) -> ResponseHead {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(
            HeaderName::from_bytes(name.as_bytes()).expect("a header name"),
            HeaderValue::from_bytes(value.as_bytes()).expect("a header value"),
        );
    }
    ResponseHead {
        status: StatusCode::from_u16(status).expect("a status"),
        headers: map,
        body_changes: false,
    }
}
