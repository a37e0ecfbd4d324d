//! Routes as a large installation has them: hosts, exact paths, prefixes, parameters, expressions,
//! each to a node of its own; one of a hundred belongs to one service.

use std::sync::Arc;

use serde_json::{Value, json};
use weir_model::{Key, Kind, Resource, ResourceSet};

/// Every so manieth route belongs to the service.
const SERVICE_SHARE: usize = 100;

/// `size` routes and the service.
pub(crate) fn set(size: usize) -> ResourceSet {
    let mut set = ResourceSet {
        revision: 1,
        ..ResourceSet::default()
    };
    insert(&mut set, Kind::Service, "s", service(0));
    for number in 0..size {
        insert(&mut set, Kind::Route, &number.to_string(), route(number));
    }
    set
}

/// Routes of the service among `size`.
pub(crate) fn of_service(size: usize) -> usize {
    (0..size).filter(|number| has_service(*number)).count()
}

/// Changes one route.
pub(crate) fn change_route(set: &mut ResourceSet, number: usize) {
    let key = Key::new(Kind::Route, number.to_string());
    let before = set
        .get(&key)
        .and_then(|route| route.spec.get("priority")?.as_u64());
    let mut spec = route(number);
    if let Some(fields) = spec.as_object_mut() {
        fields.insert("priority".to_owned(), json!(before.unwrap_or_default() + 1));
    }
    change(set, Kind::Route, &number.to_string(), spec);
}

/// Changes the service, and so all of its routes.
pub(crate) fn change_service(set: &mut ResourceSet, round: usize) {
    change(set, Kind::Service, "s", service(round + 1));
}

/// Adds or changes a global rule.
pub(crate) fn change_rule(set: &mut ResourceSet, round: usize) {
    let headers = json!({"set": {"X-Round": round.to_string()}});
    let rule = json!({"plugins": {"response-rewrite": {"headers": headers}}});
    change(set, Kind::GlobalRule, "g", rule);
}

fn change(set: &mut ResourceSet, kind: Kind, id: &str, spec: Value) {
    set.revision += 1;
    insert(set, kind, id, spec);
}

fn insert(set: &mut ResourceSet, kind: Kind, id: &str, spec: Value) {
    let key = Key::new(kind, id);
    let resource = Resource {
        key: key.clone(),
        spec: Arc::new(spec),
        created: 1,
        modified: set.revision,
        create_time: 1,
        update_time: 1,
        expires_at_ms: None,
    };
    set.resources.insert(key, Arc::new(resource));
}

fn service(round: usize) -> Value {
    json!({
        "upstream": {"nodes": {"127.0.0.1:8080": 1}},
        "plugins": {"proxy-rewrite": {"headers": {"set": {"X-Round": round.to_string()}}}},
    })
}

fn has_service(number: usize) -> bool {
    number % SERVICE_SHARE == SERVICE_SHARE / 2
}

fn route(number: usize) -> Value {
    let mut spec = json!({"uri": pattern(number)});
    let Some(fields) = spec.as_object_mut() else {
        return spec;
    };
    let mut set = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    if has_service(number) {
        set("service_id", json!("s"));
    } else {
        let node = format!(
            "10.{}.{}.{}:8080",
            number >> 16,
            number >> 8 & 255,
            number & 255
        );
        set("upstream", json!({"nodes": {node: 1}}));
    }
    if let Some(host) = host(number) {
        set("host", json!(host));
    }
    if number % 10 == 3 {
        set("vars", json!([["arg_version", "==", "v2"]]));
    }
    spec
}

/// Two of three routes belong to one of a thousand hosts.
pub(crate) fn host(number: usize) -> Option<String> {
    (!number.is_multiple_of(3)).then(|| format!("tenant-{}.example.test", number % 1000))
}

/// The path of a route.
pub(crate) fn pattern(number: usize) -> String {
    match number % 4 {
        0 => format!("/api/v1/service-{number}/items"),
        1 => format!("/api/v1/service-{number}/*"),
        2 => format!("/files/{number}/*path/raw"),
        _ => format!("/app/{}/{number}", number % 50),
    }
}
