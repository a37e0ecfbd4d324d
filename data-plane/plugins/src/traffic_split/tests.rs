use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};
use weir_model::{Key, Kind};
use weir_plugin_api::testkit::{FakeHost, RequestBuilder, request};
use weir_plugin_api::{Living, Plugin, Response, UpstreamChoice};

use super::{Compiled, TrafficSplit};
use crate::tests::{answer, compile_in, on_route, plugin, refusal};

fn host() -> Arc<FakeHost> {
    let host = FakeHost::shared();
    for id in ["a", "b", "7"] {
        host.add_upstream(id);
    }
    host
}

/// Where a request goes: an id, `inline`, `own`, or the answer.
fn goes(plugin: &Compiled, host: &Arc<FakeHost>, request: RequestBuilder) -> String {
    let mut context = request.context(Arc::clone(host));
    if let Some(response) = answer(plugin.access(&mut context)) {
        return format!("{}: {:?}", response.status, response.body);
    }
    match context.target.upstream {
        None => "own".into(),
        Some(UpstreamChoice::Id(id)) => id.to_string(),
        Some(UpstreamChoice::Inline(_)) => "inline".into(),
    }
}

fn shares(config: Value, requests: usize) -> Vec<(String, usize)> {
    let (plugin, host) = (plugin::<TrafficSplit>(config), host());
    let mut seen = std::collections::BTreeMap::new();
    for _ in 0..requests {
        *seen.entry(goes(&plugin, &host, request("/"))).or_default() += 1;
    }
    seen.into_iter().collect()
}

fn split(weighted: Value) -> Value {
    json!({"rules": [{"weighted_upstreams": weighted}]})
}

#[test]
fn shares_are_exact_over_each_cycle() {
    let config = split(json!([{"upstream_id": "a", "weight": 10}, {"weight": 90}]));
    let expected = [("a".to_owned(), 10), ("own".to_owned(), 90)];
    assert_eq!(shares(config, 100), expected);
}

#[test]
fn an_entry_leads_to_an_object_an_upstream_in_place_or_the_own_one() {
    let inline = json!({"nodes": {"127.0.0.1:80": 1}, "type": "roundrobin"});
    let config = split(json!([{"upstream_id": 7}, {"upstream": inline}, {}]));
    let expected = ["7", "inline", "own"].map(|name| (name.to_owned(), 2));
    assert_eq!(shares(config, 6), expected);
}

#[test]
fn without_choices_or_weight_everything_goes_to_the_own_upstream() {
    for config in [
        json!({}),
        json!({"rules": []}),
        json!({"rules": [{}]}),
        split(json!([{"upstream_id": "a", "weight": 0}])),
    ] {
        assert_eq!(shares(config, 5), [("own".to_owned(), 5)]);
    }
}

#[test]
fn the_first_rule_that_matches_chooses() {
    let config = json!({"rules": [
        {
            "match": [
                {"vars": [["arg_beta", "==", "1"], ["http_x_user", "==", "me"]]},
                {"vars": [["arg_force", "==", "1"]]},
            ],
            "weighted_upstreams": [{"upstream_id": "a"}],
        },
        {"match": [{"vars": [["arg_b", "~~", "^."]]}], "weighted_upstreams": [{"upstream_id": "b"}]},
        {"match": [], "weighted_upstreams": [{"upstream_id": 7}]},
    ]});
    let (plugin, host) = (plugin::<TrafficSplit>(config), host());
    for (request, expected) in [
        (request("/?beta=1").header("x-user", "me"), "a"),
        (request("/?beta=1"), "7"),
        (request("/?force=1"), "a"),
        (request("/?force=1&b=1"), "a"),
        (request("/?b=1"), "b"),
        (request("/?b="), "7"),
    ] {
        assert_eq!(goes(&plugin, &host, request), expected);
    }
}

#[test]
fn when_no_rule_matches_the_choice_stays() {
    let config = json!({"rules": [{
        "match": [{"vars": [["arg_a", "==", "1"]]}],
        "weighted_upstreams": [{"upstream_id": "a"}],
    }]});
    assert_eq!(shares(config, 3), [("own".to_owned(), 3)]);
}

#[test]
fn a_missing_upstream_anywhere_in_the_rule_is_told() {
    let config =
        split(json!([{"upstream_id": "a", "weight": 1}, {"upstream_id": "gone", "weight": 0}]));
    let plugin = plugin::<TrafficSplit>(config);
    let mut context = request("/").context(host());
    let expected = Response::text(
        StatusCode::INTERNAL_SERVER_ERROR,
        "failed to fetch upstream info by upstream id: gone",
    );
    assert_eq!(answer(plugin.access(&mut context)), Some(expected));
}

#[test]
fn turns_go_on_when_something_else_changes() {
    let (living, host) = (Living::default(), host());
    let owner = Key::new(Kind::Route, "1");
    let config = || split(json!([{"upstream_id": "a"}, {"upstream_id": "b"}]));
    let compiled = |fingerprint: &str| {
        let context = on_route(&owner, fingerprint, &living, None);
        compile_in::<TrafficSplit>(config(), &context).unwrap()
    };
    let held = compiled("same");
    let first = goes(&held, &host, request("/"));
    assert_ne!(goes(&compiled("same"), &host, request("/")), first);
    assert_eq!(goes(&compiled("other"), &host, request("/")), first);
}

#[test]
fn health_checks_in_place_are_taken_and_not_run() {
    let checks = json!({"active": {"http_path": "/"}, "passive": {}});
    let inline = json!({"nodes": {"127.0.0.1:80": 1}, "checks": checks});
    assert_eq!(
        shares(split(json!([{"upstream": inline}])), 1)[0].0,
        "inline"
    );
}

#[test]
fn what_cannot_work_is_refused() {
    let rule = |rule: Value| json!({ "rules": [rule] });
    for (config, expected) in [
        (
            rule(json!({"match": [{"vars": [["arg_a", "~~", "("]]}]})),
            "failed to validate the 'vars' expression",
        ),
        (
            rule(json!({"match": [{}]})),
            "failed to validate the 'vars' expression: missing argument rule (rules[0])",
        ),
        (
            split(json!([{"upstream": {"nodes": {"a b:x": 1}}}])),
            "weighted_upstreams[0]: ",
        ),
        (
            split(json!([{"weight": 4_294_967_295_u64}, {"weight": 1}])),
            "weights must add up to at most",
        ),
    ] {
        let text = refusal::<TrafficSplit>(config);
        assert!(text.starts_with(expected), "{text}");
    }
    for config in [
        split(json!([])),
        split(json!([{"weight": -1}])),
        split(json!([{"upstream_id": ""}])),
        split(json!([{"upstream_id": 0}])),
        split(json!([{"upstream": {}}])),
        split(json!([{"upstream": {"nodes": {}, "surprise": 1}}])),
        split(json!(vec![json!({}); 21])),
    ] {
        assert!(
            !refusal::<TrafficSplit>(config.clone()).is_empty(),
            "{config}"
        );
    }
    assert!(!shares(split(json!(vec![json!({}); 20])), 1).is_empty());
}
