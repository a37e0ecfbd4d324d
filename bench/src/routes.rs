//! Routes as a large installation has them: hosts, exact paths, prefixes, parameters, expressions.

use std::sync::Arc;

use http::{HeaderMap, Method, Version};
use serde_json::{Value, json};
use weir_model::{Key, Kind, Resource, ResourceSet, Revision};
use weir_plugin_api::{RequestBody, RequestHead, Scheme};

/// Requests that are looked up in turns.
const REQUESTS: usize = 4096;

/// `size` routes, all changed last at `revision`.
pub(crate) fn set(size: usize, revision: Revision) -> ResourceSet {
    let mut set = ResourceSet {
        revision,
        ..ResourceSet::default()
    };
    for number in 0..size {
        insert(&mut set, number, revision, document(number));
    }
    set
}

/// The set with one route changed at the next revision.
pub(crate) fn with_one_change(set: &ResourceSet) -> ResourceSet {
    let mut changed = set.clone();
    changed.revision += 1;
    let number = set.resources.len() / 2;
    let mut spec = document(number);
    if let Some(fields) = spec.as_object_mut() {
        fields.insert("priority".to_owned(), json!(7));
    }
    let revision = changed.revision;
    insert(&mut changed, number, revision, spec);
    changed
}

fn insert(set: &mut ResourceSet, number: usize, revision: Revision, spec: Value) {
    let key = Key::new(Kind::Route, number.to_string());
    let resource = Resource {
        key: key.clone(),
        spec: Arc::new(spec),
        created: 1,
        modified: revision,
        create_time: 1,
        update_time: 1,
        expires_at_ms: None,
    };
    set.resources.insert(key, Arc::new(resource));
}

fn document(number: usize) -> Value {
    let mut spec = json!({
        "uri": pattern(number),
        "upstream": {"nodes": {"127.0.0.1:8080": 1}},
    });
    if let (Some(fields), Some(host)) = (spec.as_object_mut(), host(number)) {
        fields.insert("host".to_owned(), json!(host));
    }
    if let (Some(fields), true) = (spec.as_object_mut(), number % 10 == 3) {
        fields.insert("vars".to_owned(), json!([["arg_version", "==", "v2"]]));
    }
    spec
}

/// Two of three routes belong to one of a thousand hosts.
fn host(number: usize) -> Option<String> {
    (!number.is_multiple_of(3)).then(|| format!("tenant-{}.example.test", number % 1000))
}

fn pattern(number: usize) -> String {
    match number % 4 {
        0 => format!("/api/v1/service-{number}/items"),
        1 => format!("/api/v1/service-{number}/*"),
        2 => format!("/files/{number}/*path/raw"),
        _ => format!("/app/{}/{number}", number % 50),
    }
}

/// Requests for routes all over the set, each with its route.
pub(crate) fn heads(size: usize) -> Vec<RequestHead> {
    (0..REQUESTS)
        .map(|request| {
            // A fixed stride that visits all parts of the set.
            let number = request * 7919 % size;
            let path = match number % 4 {
                1 => format!("/api/v1/service-{number}/orders/17"),
                2 => format!("/files/{number}/a/b/raw"),
                _ => pattern(number),
            };
            let host = host(number).unwrap_or_else(|| "other.example.test".to_owned());
            RequestHead {
                method: Method::GET,
                version: Version::HTTP_11,
                scheme: Scheme::Http,
                raw_target: path.clone(),
                path,
                routed_path: None,
                query: Some("version=v2".to_owned()),
                authority: host.clone(),
                host,
                headers: HeaderMap::new(),
                peer: ([127, 0, 0, 1], 40_000).into(),
                relay: None,
                local: ([127, 0, 0, 1], 9080).into(),
                client_ip: [127, 0, 0, 1].into(),
                body: RequestBody::default(),
            }
        })
        .collect()
}
