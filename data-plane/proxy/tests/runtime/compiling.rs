//! Compiling with reuse is compiling from scratch; what cannot be used keeps its last good form.

use proptest::prelude::*;
use serde_json::{Value, json};
use weir_model::ResourceSet;
use weir_plugin_api::testkit::request;
use weir_proxy::router::RouterMode;
use weir_proxy::runtime::compile;

use super::setup::{env, put, remove};

const MODE: RouterMode = RouterMode::HostUri;

/// A change of one of a few resources, so that changes meet.
fn change() -> impl Strategy<Value = (String, Option<Value>)> {
    let plugins = prop_oneof![
        Just(json!({})),
        (1..4_u32).prop_map(|n| json!({"limit-count": {"count": n, "time_window": 60}})),
        (1..3_u32).prop_map(|n| json!({"response-rewrite": {"headers": {"set": {"x": n}}}})),
        Just(json!({"prometheus": {}, "key-auth": {}})),
    ];
    let nodes = (1..4_u16).prop_map(|port| json!({format!("127.0.0.1:{port}"): 1}));
    let id = 1..4_u32;
    (0..8_u32, id.clone(), id.clone(), id, plugins, nodes).prop_map(
        |(kind, id, other, third, plugins, nodes)| match kind {
            0 => (format!("upstreams/{id}"), Some(json!({"nodes": nodes}))),
            1 => {
                let spec = json!({"upstream_id": other, "plugins": plugins, "hosts": ["s.test"]});
                (format!("services/{id}"), Some(spec))
            }
            2 => (
                format!("plugin_configs/{id}"),
                Some(json!({"plugins": plugins})),
            ),
            3 => (
                format!("global_rules/{id}"),
                Some(json!({"plugins": plugins})),
            ),
            4 => {
                let spec = json!({"username": format!("c{id}"), "group_id": other,
                    "plugins": {"key-auth": {"key": format!("k{third}")}}});
                (format!("consumers/c{id}"), Some(spec))
            }
            5 => (
                format!("consumer_groups/{id}"),
                Some(json!({"plugins": plugins})),
            ),
            6 => {
                let spec = json!({"uri": format!("/{third}/*"), "service_id": other,
                    "plugin_config_id": third, "plugins": plugins});
                (format!("routes/{id}"), Some(spec))
            }
            _ => {
                let kinds = [
                    "routes",
                    "services",
                    "upstreams",
                    "global_rules",
                    "plugin_configs",
                ];
                (
                    format!("{}/{id}", kinds[(other as usize + third as usize) % 5]),
                    None,
                )
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn compiling_with_reuse_equals_compiling_from_scratch(
        changes in prop::collection::vec(change(), 1..24),
    ) {
        let env = env(MODE);
        let mut set = ResourceSet::default();
        let mut runtime = None;
        for (key, spec) in changes {
            match spec {
                Some(spec) => put(&mut set, &key, spec),
                None => remove(&mut set, &key),
            }
            let (next, with_reuse) = compile(&set, runtime.as_ref(), &env);
            let (scratch, from_scratch) = compile(&set, None, &env);
            prop_assert_eq!(next.describe(), scratch.describe());
            prop_assert_eq!(with_reuse.refused, from_scratch.refused);
            prop_assert_eq!(with_reuse.pending, from_scratch.pending);
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
    put(
        &mut set,
        "upstreams/b",
        json!({"nodes": {"127.0.0.1:2": 1}}),
    );
    for number in 0..100 {
        let upstream = if number < 10 { "a" } else { "b" };
        let spec = json!({"uri": format!("/{number}"), "upstream_id": upstream});
        put(&mut set, &format!("routes/{number}"), spec);
    }
    let (first, report) = compile(&set, None, &env);
    assert_eq!((report.rebuilt, report.reused), (100, 0));
    put(
        &mut set,
        "upstreams/a",
        json!({"nodes": {"127.0.0.1:3": 1}}),
    );
    let (_, report) = compile(&set, Some(&first), &env);
    assert_eq!((report.rebuilt, report.reused), (10, 90));
}

#[test]
fn a_resource_that_cannot_be_used_keeps_its_last_good_form_until_it_is_mended_or_removed() {
    let env = env(MODE);
    let mut set = ResourceSet::default();
    put(
        &mut set,
        "upstreams/u",
        json!({"nodes": {"127.0.0.1:1": 1}}),
    );
    put(
        &mut set,
        "routes/r",
        json!({"uri": "/good", "upstream_id": "u"}),
    );
    let (good, _) = compile(&set, None, &env);

    put(&mut set, "routes/r", json!({"uri": 5, "upstream_id": "u"}));
    put(
        &mut set,
        "routes/other",
        json!({"uri": "/other", "upstream_id": "u"}),
    );
    let (kept, report) = compile(&set, Some(&good), &env);
    assert_eq!(report.refused.len(), 1);
    assert_eq!(report.refused[0].0.to_string(), "routes/r");
    let finds = |runtime: &weir_proxy::runtime::Runtime, path: &str| {
        runtime.route(&request(path).head()).is_some()
    };
    assert!(finds(&kept, "/good") && finds(&kept, "/other"));

    // It stays refused, and kept, while other things change.
    put(
        &mut set,
        "routes/third",
        json!({"uri": "/third", "upstream_id": "u"}),
    );
    let (still, report) = compile(&set, Some(&kept), &env);
    assert_eq!(report.refused.len(), 1);
    assert!(finds(&still, "/good") && finds(&still, "/third"));

    put(
        &mut set,
        "routes/r",
        json!({"uri": "/mended", "upstream_id": "u"}),
    );
    let (mended, report) = compile(&set, Some(&still), &env);
    assert!(report.refused.is_empty());
    assert!(finds(&mended, "/mended") && !finds(&mended, "/good"));

    remove(&mut set, "routes/r");
    let (without, _) = compile(&set, Some(&mended), &env);
    assert!(!finds(&without, "/mended"));
}
