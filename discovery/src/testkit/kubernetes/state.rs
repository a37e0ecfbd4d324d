//! What the stand-in holds, tells, and does wrong.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{StatusCode, Uri};
use hyper::body::Frame;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::super::Instance;
use super::Outbox;

/// What the server does wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing. A version that is forgotten is told in the stream of a watch.
    #[default]
    None,
    /// Nothing. A version that is forgotten is told by the status of a watch.
    ExpiredStatus,
    /// Every watch is answered 410, whatever its version.
    AlwaysExpired,
    /// A list is forgotten before its second page, once.
    ForgottenPage,
    /// Watches break off within a line.
    CutLine,
    /// Watches say something else.
    Garbage,
    /// Watches say nothing any more and do not end.
    Hang,
    /// Everything is answered like this.
    Status(StatusCode),
}

/// Objects of one page.
const PAGE: usize = 2;

/// Which objects are meant.
pub(super) struct Selection {
    slices: bool,
    namespace: String,
    service: String,
    /// From which version on to watch; none for a list.
    pub(super) watch: Option<u64>,
    pub(super) seconds: u64,
    bookmarks: bool,
    /// Where in the list the page begins.
    from: usize,
}

impl Selection {
    /// Reads a path with its query; nothing for what there is not.
    pub(super) fn read(uri: &Uri) -> Option<Self> {
        let parts: Vec<&str> = uri.path().split('/').skip(1).collect();
        let (slices, namespace) = match parts.as_slice() {
            [
                "apis",
                "discovery.k8s.io",
                "v1",
                "namespaces",
                namespace,
                "endpointslices",
            ] => (true, *namespace),
            ["api", "v1", "namespaces", namespace, "endpoints"] => (false, *namespace),
            _ => return None,
        };
        let query: BTreeMap<String, String> = uri
            .query()
            .unwrap_or_default()
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| {
                let value = percent_decode_str(value).decode_utf8_lossy();
                (name.to_owned(), value.into_owned())
            })
            .collect();
        let text = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
        let (selector, name) = if slices {
            (text("labelSelector"), "kubernetes.io/service-name=")
        } else {
            (text("fieldSelector"), "metadata.name=")
        };
        let service = selector.split(',').find_map(|term| term.strip_prefix(name));
        let watches = text("watch") == "1";
        Some(Self {
            slices,
            namespace: namespace.to_owned(),
            service: service?.to_owned(),
            watch: watches.then(|| text("resourceVersion").parse().unwrap_or(0)),
            seconds: text("timeoutSeconds").parse().unwrap_or(3600),
            bookmarks: text("allowWatchBookmarks") == "true",
            from: text("continue").parse().unwrap_or(0),
        })
    }

    fn fits(&self, object: &Object) -> bool {
        self.slices == object.slice
            && self.service == object.service
            && self.namespace == super::NAMESPACE
    }
}

#[derive(Clone)]
struct Object {
    slice: bool,
    service: String,
    body: Value,
}

struct Change {
    version: u64,
    kind: &'static str,
    /// None for bookmarks, which are for all.
    object: Option<Object>,
}

#[derive(Default)]
struct Inner {
    version: u64,
    /// Ready or not, by service and instance.
    instances: BTreeMap<(String, String), (Instance, bool)>,
    objects: BTreeMap<String, Object>,
    log: Vec<Change>,
    /// What is older is forgotten.
    oldest: u64,
    trouble: Trouble,
    lists: u64,
    watches: Vec<u64>,
}

/// Everything, and who waits for changes of it.
#[derive(Default)]
pub(super) struct State {
    inner: Mutex<Inner>,
    changed: watch::Sender<u64>,
}

impl State {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    pub(super) fn trouble(&self, trouble: Trouble) {
        self.lock().trouble = trouble;
        self.wake();
    }

    pub(super) fn compact(&self) {
        let mut inner = self.lock();
        // Something else has happened since.
        inner.version += 1;
        inner.oldest = inner.version;
        inner.log.clear();
        drop(inner);
        self.wake();
    }

    pub(super) fn bookmark(&self) -> u64 {
        let mut inner = self.lock();
        inner.version += 10;
        let version = inner.version;
        inner.log.push(Change {
            version,
            kind: "BOOKMARK",
            object: None,
        });
        drop(inner);
        self.wake();
        version
    }

    pub(super) fn lists(&self) -> u64 {
        self.lock().lists
    }

    pub(super) fn watches(&self) -> Vec<u64> {
        self.lock().watches.clone()
    }

    pub(super) fn watching(&self, since: u64) {
        self.lock().watches.push(since);
    }

    pub(super) fn refuses(&self) -> Option<StatusCode> {
        match self.lock().trouble {
            Trouble::Status(code) => Some(code),
            _ => None,
        }
    }

    pub(super) fn hangs(&self) -> bool {
        self.lock().trouble == Trouble::Hang
    }

    pub(super) fn expires_watches(&self) -> bool {
        self.lock().trouble == Trouble::AlwaysExpired
    }

    pub(super) fn says_so_at_once(&self) -> bool {
        self.lock().trouble == Trouble::ExpiredStatus
    }

    pub(super) fn is_forgotten(&self, version: u64) -> bool {
        version < self.lock().oldest
    }

    /// Puts an instance, ready or not; or takes it away.
    pub(super) fn put(&self, service: &str, instance: &Instance, ready: Option<bool>) {
        let mut inner = self.lock();
        let address = format!("{}-{}", instance.host, instance.port);
        let key = (service.to_owned(), address.clone());
        match ready {
            Some(ready) => inner.instances.insert(key, (instance.clone(), ready)),
            None => inner.instances.remove(&key),
        };
        let slice = ready.map(|ready| slice(service, &address, instance, ready));
        let whole = endpoints(service, &inner.instances);
        inner.change(&format!("{service}-{address}"), service, true, slice);
        inner.change(service, service, false, whole);
        drop(inner);
        self.wake();
    }

    /// A page of a list; nothing when the page is forgotten.
    pub(super) fn list(&self, selection: &Selection) -> Option<Value> {
        let mut inner = self.lock();
        if selection.from > 0 && inner.trouble == Trouble::ForgottenPage {
            inner.trouble = Trouble::None;
            return None;
        }
        inner.lists += 1;
        let fitting = inner
            .objects
            .values()
            .filter(|object| selection.fits(object));
        let mut items: Vec<Value> = fitting.map(|object| object.body.clone()).collect();
        let mut rest = items.split_off(selection.from.min(items.len()));
        let more = rest.len() > PAGE;
        rest.truncate(PAGE);
        let next = if more {
            (selection.from + PAGE).to_string()
        } else {
            String::new()
        };
        let version = inner.version.to_string();
        Some(json!({"metadata": {"resourceVersion": version, "continue": next}, "items": rest}))
    }

    /// Tells what changes after `since`, for as long as it goes well.
    pub(super) async fn tell(&self, selection: &Selection, since: u64, outbox: &Outbox) {
        let mut changed = self.changed.subscribe();
        let mut told = since;
        loop {
            let (trouble, lines) = self.news(selection, &mut told);
            match trouble {
                Trouble::Hang => std::future::pending().await,
                Trouble::CutLine => {
                    let half = Bytes::from_static(br#"{"type":"MODIFIED","object":{"metadata""#);
                    let _ = outbox.send(Ok(Frame::data(half))).await;
                    let _ = outbox.send(Err(io::Error::other("cut"))).await;
                    return;
                }
                Trouble::Garbage => {
                    let line = Bytes::from_static(b"\0\xff no event at all\n");
                    let _ = outbox.send(Ok(Frame::data(line))).await;
                    return;
                }
                _ => {}
            }
            for line in lines {
                let mut bytes = line.to_string();
                let over = line["type"] == "ERROR";
                bytes.push('\n');
                if outbox.send(Ok(Frame::data(bytes.into()))).await.is_err() || over {
                    return;
                }
            }
            if changed.changed().await.is_err() {
                return;
            }
        }
    }

    fn news(&self, selection: &Selection, told: &mut u64) -> (Trouble, Vec<Value>) {
        let inner = self.lock();
        if *told < inner.oldest {
            let status = json!({"kind": "Status", "code": 410, "reason": "Expired"});
            return (
                inner.trouble,
                vec![json!({"type": "ERROR", "object": status})],
            );
        }
        let news = inner.log.iter().filter(|change| change.version > *told);
        let fitting = news.filter(|change| match &change.object {
            Some(object) => selection.fits(object),
            None => selection.bookmarks,
        });
        let lines = fitting.map(|change| {
            let version = json!({"metadata": {"resourceVersion": change.version.to_string()}});
            let body = change
                .object
                .as_ref()
                .map_or(version, |object| object.body.clone());
            json!({"type": change.kind, "object": body})
        });
        let lines = lines.collect();
        *told = inner.version;
        (inner.trouble, lines)
    }
}

impl Inner {
    /// Writes an object, or takes it away, as the next version.
    fn change(&mut self, name: &str, service: &str, slice: bool, body: Option<Value>) {
        self.version += 1;
        let key = format!("{slice}/{name}");
        let before = self.objects.remove(&key);
        let (kind, mut object) = match (before, body) {
            (None, None) => return,
            (Some(object), None) => ("DELETED", object),
            (before, Some(body)) => {
                let kind = if before.is_some() {
                    "MODIFIED"
                } else {
                    "ADDED"
                };
                let service = service.to_owned();
                let object = Object {
                    slice,
                    service,
                    body,
                };
                (kind, object)
            }
        };
        object.body["metadata"]["resourceVersion"] = self.version.to_string().into();
        if kind != "DELETED" {
            self.objects.insert(key, object.clone());
        }
        self.log.push(Change {
            version: self.version,
            kind,
            object: Some(object),
        });
    }
}

fn slice(service: &str, address: &str, instance: &Instance, ready: bool) -> Value {
    json!({
        "metadata": {
            "name": format!("{service}-{address}"), "namespace": super::NAMESPACE,
            "labels": {"kubernetes.io/service-name": service}
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": [instance.host], "conditions": {"ready": ready}}],
        "ports": [{"name": "http", "port": instance.port, "protocol": "TCP"}]
    })
}

fn endpoints(
    service: &str,
    instances: &BTreeMap<(String, String), (Instance, bool)>,
) -> Option<Value> {
    let of_service = instances.iter().filter(|((name, _), _)| name == service);
    let subsets: Vec<Value> = of_service
        .map(|(_, (instance, ready))| {
            let field = if *ready { "addresses" } else { "notReadyAddresses" };
            json!({field: [{"ip": instance.host}], "ports": [{"name": "http", "port": instance.port}]})
        })
        .collect();
    (!subsets.is_empty()).then(|| {
        json!({
            "metadata": {"name": service, "namespace": super::NAMESPACE}, "subsets": subsets
        })
    })
}
