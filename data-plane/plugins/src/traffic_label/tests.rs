use std::sync::Arc;

use serde_json::{Value, json};
use weir_plugin_api::Plugin;
use weir_plugin_api::testkit::{FakeHost, RequestBuilder, request};

use super::{Compiled, TrafficLabel};
use crate::tests::{answer, plugin, refusal, sent};

fn label(plugin: &Compiled, request: RequestBuilder) -> Vec<String> {
    let mut context = request.context(Arc::clone(&FakeHost::shared()));
    assert!(answer(plugin.access(&mut context)).is_none());
    sent(&context, "x-label")
}

fn set(value: &str) -> Value {
    json!({"set_headers": {"X-Label": value}})
}

#[test]
fn the_first_rule_that_matches_labels() {
    let plugin = plugin::<TrafficLabel>(json!({"rules": [
        {"match": [["arg_version", "==", "2"]], "actions": [set("two")]},
        {"match": ["OR", ["arg_a", "==", "1"], ["arg_b", "==", "1"]], "actions": [set("ab")]},
        {"match": [["arg_c", "==", "1"]], "actions": [{"weight": 3}]},
        {"actions": [set("other $arg_name")]},
    ]}));
    assert_eq!(label(&plugin, request("/?version=2&a=1")), ["two"]);
    assert_eq!(label(&plugin, request("/?b=1")), ["ab"]);
    assert!(label(&plugin, request("/?c=1")).is_empty());
    assert_eq!(label(&plugin, request("/?name=x")), ["other x"]);
}

#[test]
fn actions_take_turns_by_weight() {
    let mut rare = set("rare");
    rare["weight"] = json!(2);
    let plugin = plugin::<TrafficLabel>(json!({"rules": [
        {"actions": [rare, {"set_headers": {"X-Label": "often"}, "weight": 8}]},
    ]}));
    let labels: Vec<_> = (0..10)
        .map(|_| label(&plugin, request("/")).concat())
        .collect();
    assert_eq!(labels.iter().filter(|label| *label == "rare").count(), 2);
    assert_eq!(labels.iter().filter(|label| *label == "often").count(), 8);
}

#[test]
fn what_the_client_sent_is_replaced() {
    let plugin = plugin::<TrafficLabel>(json!({"rules": [{"actions": [set("ours")]}]}));
    let forged = request("/").header("x-label", "a").header("x-label", "b");
    assert_eq!(label(&plugin, forged), ["ours"]);
}

#[test]
fn a_value_cannot_end_a_header_line() {
    let plugin = plugin::<TrafficLabel>(json!({"rules": [{"actions": [set("$arg_v")]}]}));
    assert_eq!(
        label(&plugin, request("/?v=a%0D%0Ax:%20b")),
        ["a%0D%0Ax: b"]
    );
}

#[test]
fn headers_may_be_called_set_and_numbers() {
    let plugin = plugin::<TrafficLabel>(json!({"rules": [{"actions": [
        {"set_headers": {"set": "x", "X-Label": 5}},
    ]}]}));
    assert_eq!(label(&plugin, request("/")), ["5"]);
}

#[test]
fn what_cannot_work_is_refused() {
    let rule = |rule: Value| json!({ "rules": [rule] });
    for (config, expected) in [
        (
            rule(json!({"match": [["arg_a", "~~", "("]], "actions": [{}]})),
            "failed to validate the 'match' expression: [[\"arg_a\",\"~~\",\"(\"]] err: ",
        ),
        (
            rule(json!({"actions": [{"set_headers": {"a b": "c"}}]})),
            "failed to validate the 'set_headers' action: invalid field character in header",
        ),
        (
            rule(json!({"actions": [{"set_headers": {"a": {}}}]})),
            "failed to validate the 'set_headers' action: invalid type as header value",
        ),
        (
            rule(json!({"actions": [{"add_headers": {"a": "b"}, "weight": 2}]})),
            "not supported action: add_headers",
        ),
    ] {
        let text = refusal::<TrafficLabel>(config);
        assert!(
            text.starts_with(expected) && text.ends_with("(rules[0])"),
            "{text}"
        );
    }
    for config in [
        json!({}),
        json!({"rules": []}),
        rule(json!({})),
        rule(json!({"actions": []})),
        rule(json!({"actions": [{"weight": 0}]})),
        rule(json!({"actions": [{"set_headers": {}}]})),
        rule(json!({"match": [], "actions": [{}]})),
        rule(json!({"match": [1], "actions": [{}]})),
    ] {
        assert!(
            !refusal::<TrafficLabel>(config.clone()).is_empty(),
            "{config}"
        );
    }
}
