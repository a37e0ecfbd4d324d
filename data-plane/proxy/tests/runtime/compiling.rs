//! Compiling with reuse is compiling from scratch.

use proptest::prelude::*;
use serde_json::{Value, json};
use weir_model::ResourceSet;
use weir_plugin_api::testkit::request;
use weir_proxy::error::Reason;
use weir_proxy::router::RouterMode;
use weir_proxy::runtime::{Runtime, compile};

use super::refusing::keys;
use super::setup::{env, put, remove};

pub(crate) const MODE: RouterMode = RouterMode::HostUri;

/// Small numbers, so that changes meet.
type Numbers = [u32; 4];

fn plugins([a, b, ..]: Numbers) -> Value {
    match a {
        1 => json!({}),
        2 => json!({"limit-count": {"count": b, "time_window": 60}}),
        3 => json!({"response-rewrite": {"headers": {"set": {"x": b}}}, "key-auth": {}}),
        _ => json!({"prometheus": {}, "key-auth": {"_meta": {"disable": b == 1}}}),
    }
}

fn inline([a, b, ..]: Numbers) -> Value {
    let mut spec = json!({"nodes": {format!("127.0.0.1:{a}"): b}});
    if b == 2 {
        spec["checks"] = json!({"active": {"http_path": "/up"}});
    }
    spec
}

fn route(numbers: Numbers) -> Value {
    let [a, b, c, d] = numbers;
    let uris = [
        json!(["/exact"]),
        json!([format!("/{a}/*"), "/more/*"]),
        json!([format!("/{a}/*name/{b}"), format!("/{a}/:id/x")]),
        json!([format!("/{a}/in{b}*"), format!("/{a}/in*"), "*"]),
    ];
    let mut spec = json!({
        "uris": uris[c as usize % 4],
        "priority": d % 2,
        "status": u32::from(b != 3),
        "plugins": plugins(numbers),
    });
    let mut set = |name: &str, value: Value| {
        spec[name] = value;
    };
    match a {
        1 => set("service_id", json!(b)),
        2 => set("upstream_id", json!(b)),
        3 => set("upstream", inline(numbers)),
        _ => {
            set("service_id", json!(c));
            set("plugin_config_id", json!(d));
        }
    }
    match d {
        1 => set(
            "hosts",
            json!(["a.test", format!("*.{b}.test"), "*", "p.test:81"]),
        ),
        2 => set("vars", json!([["uri_param_name", "==", a.to_string()]])),
        3 => {
            set("uris", json!([format!("/r{b}/(?<x>[0-9]+)")]));
            set("regex_uri", json!(true));
        }
        _ => set("headers", json!({"x-a": b.to_string()})),
    }
    spec
}

fn service(numbers: Numbers) -> Value {
    let [a, b, c, d] = numbers;
    let mut spec = json!({"plugins": plugins(numbers), "name": format!("s{b}")});
    match c {
        1 => spec["upstream_id"] = json!(d),
        2 => spec["upstream"] = inline(numbers),
        3 => {
            spec["upstream_id"] = json!(d);
            spec["upstream_host"] = json!(format!("h{a}.test"));
        }
        _ => {}
    }
    if d == 1 {
        spec["hosts"] = json!(["s.test", format!("*{a}.test")]);
    }
    spec
}

/// A document of each kind that agents compile, and where it is put.
fn document(kind: u32, id: u32, numbers: Numbers) -> (String, Value) {
    let [a, b, ..] = numbers;
    let plugins = plugins(numbers);
    match kind {
        0 => (format!("upstreams/{id}"), inline(numbers)),
        1 => (format!("services/{id}"), service(numbers)),
        2 => (format!("plugin_configs/{id}"), json!({"plugins": plugins})),
        3 => (format!("global_rules/{id}"), json!({"plugins": plugins})),
        4 => {
            let mut plugins = plugins;
            plugins["key-auth"] = json!({"key": format!("k{b}")});
            let spec = json!({"username": format!("c{id}"), "group_id": a, "plugins": plugins,
                "labels": {"custom_id": b.to_string()}});
            (format!("consumers/c{id}"), spec)
        }
        5 => (format!("consumer_groups/{id}"), json!({"plugins": plugins})),
        6 => {
            let spec = json!({"plugins": {"key-auth": {"key": format!("k{b}")}}});
            (format!("credentials/c{id}/{a}"), spec)
        }
        7 => {
            let spec = json!({"note": a});
            ("plugin_metadata/limit-count".to_owned(), spec)
        }
        // Nobody can use this one.
        8 => (
            format!("ssls/{id}"),
            json!({"sni": "a.test", "cert": "x".repeat(128), "key": "y".repeat(128)}),
        ),
        _ => (format!("routes/{id}"), route(numbers)),
    }
}

/// A change set: several documents put or removed in one revision.
fn change_set() -> impl Strategy<Value = Vec<(String, Option<Value>)>> {
    let id = 1..5_u32;
    let numbers = [id.clone(), id.clone(), id.clone(), id.clone()];
    // Routes are as frequent as all others together.
    let change = (0..18_u32, id, numbers, 0..4_u32).prop_map(|(kind, id, numbers, removed)| {
        let (key, spec) = document(kind, id, numbers);
        (key, (removed > 0).then_some(spec))
    });
    prop::collection::vec(change, 1..4)
}

fn apply(set: &mut ResourceSet, changes: Vec<(String, Option<Value>)>) {
    for (key, spec) in changes {
        match spec {
            Some(spec) => put(set, &key, spec),
            None => remove(set, &key),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn compiling_with_reuse_equals_compiling_from_scratch(
        change_sets in prop::collection::vec(change_set(), 1..24),
        mode in prop_oneof![
            Just(RouterMode::HostUri),
            Just(RouterMode::Uri),
            Just(RouterMode::UriWithParameter)
        ],
    ) {
        let env = env(mode);
        let mut set = ResourceSet::default();
        let mut runtime: Option<Runtime> = None;
        for changes in change_sets {
            let before = runtime.as_ref().map(Runtime::describe);
            apply(&mut set, changes);
            let (next, with_reuse) = compile(&set, runtime.as_ref(), &env);
            let (scratch, from_scratch) = compile(&set, None, &env);
            prop_assert_eq!(next.describe(), scratch.describe());
            let unusable = keys(&from_scratch.refused);
            prop_assert!(unusable.iter().all(|key| key.starts_with("ssls/")), "{unusable:?}");
            prop_assert_eq!(with_reuse.refused, from_scratch.refused);
            prop_assert_eq!(with_reuse.pending, from_scratch.pending);
            // What requests under way still see did not move.
            prop_assert_eq!(runtime.as_ref().map(Runtime::describe), before);
            runtime = Some(next);
        }
    }
}

#[test]
fn only_what_a_change_touches_is_compiled_anew() {
    let env = env(MODE);
    let mut set = ResourceSet::default();
    put(
        &mut set,
        "upstreams/a",
        json!({"nodes": {"127.0.0.1:1": 1}}),
    );
    put(&mut set, "services/a", json!({"upstream_id": "a"}));
    put(
        &mut set,
        "services/b",
        json!({"upstream_id": "a", "upstream_host": "h.test"}),
    );
    for number in 0..100 {
        let service = if number < 10 { "a" } else { "b" };
        let spec = json!({"uri": format!("/{number}"), "service_id": service});
        put(&mut set, &format!("routes/{number}"), spec);
    }
    let (first, report) = compile(&set, None, &env);
    assert_eq!((report.rebuilt, report.reused), (100, 0));
    put(
        &mut set,
        "services/a",
        json!({"upstream_id": "a", "plugins": {"prometheus": {}}}),
    );
    let (second, report) = compile(&set, Some(&first), &env);
    assert_eq!((report.rebuilt, report.reused), (10, 90));
    put(
        &mut set,
        "upstreams/a",
        json!({"nodes": {"127.0.0.1:3": 1}}),
    );
    let (third, report) = compile(&set, Some(&second), &env);
    assert_eq!(
        (report.rebuilt, report.reused),
        (0, 100),
        "routes look upstreams up"
    );
    for (path, runtime, port) in [
        ("/1", &third, 3),
        ("/50", &third, 3),
        ("/1", &second, 1),
        ("/50", &second, 1),
    ] {
        let route = runtime.route(&request(path).head()).unwrap().route;
        let upstream = runtime.upstream(route).unwrap();
        assert_eq!(upstream.nodes()[0].port, port, "{path}");
    }
    let (_, report) = compile(&set, Some(&third), &env);
    assert_eq!((report.rebuilt, report.reused), (0, 100));
}

#[test]
fn a_route_leads_where_its_references_lead_now() {
    let env = env(MODE);
    let mut set = ResourceSet::default();
    let mut runtime = None;
    let mut lead = |set: &ResourceSet, path: &str| {
        let (next, report) = compile(set, runtime.as_ref(), &env);
        assert!(report.refused.is_empty(), "{report:?}");
        let route = next.route(&request(path).head()).unwrap().route;
        let led = next
            .upstream(route)
            .map(|upstream| upstream.key.to_string());
        runtime = Some(next);
        led
    };
    put(
        &mut set,
        "routes/s",
        json!({"uri": "/s", "service_id": "s"}),
    );
    put(
        &mut set,
        "routes/u",
        json!({"uri": "/u", "upstream_id": "u"}),
    );
    put(
        &mut set,
        "routes/p",
        json!({"uri": "/p", "upstream_id": "u", "plugin_config_id": "p"}),
    );
    assert_eq!(lead(&set, "/s"), Err(Reason::ServiceMissing));
    assert_eq!(lead(&set, "/u"), Err(Reason::UpstreamMissing));
    assert_eq!(lead(&set, "/p"), Err(Reason::PluginsMissing));
    put(&mut set, "services/s", json!({}));
    put(&mut set, "upstreams/u", json!({"nodes": {}}));
    put(&mut set, "plugin_configs/p", json!({"plugins": {}}));
    assert_eq!(lead(&set, "/s"), Err(Reason::NoUpstream));
    assert_eq!(lead(&set, "/u"), Err(Reason::NoNodes));
    put(&mut set, "services/s", json!({"upstream_id": "u"}));
    put(
        &mut set,
        "upstreams/u",
        json!({"nodes": {"127.0.0.1:1": 1}}),
    );
    assert_eq!(lead(&set, "/s").as_deref(), Ok("upstreams/u"));
    assert_eq!(lead(&set, "/u").as_deref(), Ok("upstreams/u"));
    assert_eq!(lead(&set, "/p").as_deref(), Ok("upstreams/u"));
    put(
        &mut set,
        "services/s",
        json!({"upstream_id": "u", "scheme": "http"}),
    );
    assert_eq!(lead(&set, "/s").as_deref(), Ok("services/s"), "laid over");
    remove(&mut set, "upstreams/u");
    assert_eq!(lead(&set, "/s"), Err(Reason::UpstreamMissing));
    put(
        &mut set,
        "services/s",
        json!({"upstream": {"nodes": {"127.0.0.1:1": 1}}}),
    );
    assert_eq!(lead(&set, "/s").as_deref(), Ok("services/s"));
    remove(&mut set, "services/s");
    assert_eq!(lead(&set, "/s"), Err(Reason::ServiceMissing));
}
