use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};
use weir_plugin_api::testkit::{FakeHost, request, response};
use weir_plugin_api::{Context, Plugin, Response};

use super::{Compiled, Workflow};
use crate::tests::{answer, plugin, refusal};

fn ask(plugin: &Compiled, target: &str) -> (Option<u16>, Context) {
    let mut context = request(target).context(Arc::clone(&FakeHost::shared()));
    let answer = answer(plugin.access(&mut context));
    (answer.map(|answer| answer.status.as_u16()), context)
}

fn status(plugin: &Compiled, target: &str) -> Option<u16> {
    ask(plugin, target).0
}

fn limit_count(count: u64) -> Value {
    json!(["limit-count", {"count": count, "time_window": 60, "rejected_code": 429}])
}

#[test]
fn the_first_rule_whose_case_holds_acts() {
    let plugin = plugin::<Workflow>(json!({"rules": [
        {"case": [["uri", "==", "/a"]], "actions": [["return", {"code": 403}], ["return", {"code": 404}]]},
        {"case": ["OR", ["arg_b", "==", "1"], ["arg_c", "==", "1"]], "actions": [["return", {"code": 410}]]},
        {"actions": [["return", {"code": 200}]]},
    ]}));
    assert_eq!(status(&plugin, "/a"), Some(403));
    assert_eq!(status(&plugin, "/x?c=1"), Some(410));
    assert_eq!(status(&plugin, "/x"), Some(200));
}

#[test]
fn a_refusal_says_who_refused() {
    let plugin = plugin::<Workflow>(json!({"rules": [{"actions": [["return", {"code": 403}]]}]}));
    let mut context = request("/").context(FakeHost::shared());
    let expected = Response::error_msg(StatusCode::FORBIDDEN, "rejected by workflow");
    assert_eq!(answer(plugin.access(&mut context)), Some(expected));
}

#[test]
fn without_a_case_that_holds_nothing_happens() {
    let case = json!([["uri", "==", "/a"]]);
    let plugin =
        plugin::<Workflow>(json!({"rules": [{"case": case, "actions": [limit_count(1)]}]}));
    let (answer, context) = ask(&plugin, "/b");
    assert_eq!(answer, None);
    assert!(!context.skips("limit-count"));
    let none = crate::tests::plugin::<Workflow>(json!({"rules": []}));
    assert_eq!(status(&none, "/"), None);
}

#[test]
fn limits_of_rules_count_apart_and_stand_for_the_plugin() {
    let plugin = plugin::<Workflow>(json!({"rules": [
        {"case": [["uri", "==", "/a"]], "actions": [limit_count(1)]},
        {"case": [["uri", "==", "/b"]], "actions": [limit_count(2)]},
    ]}));
    let asked: Vec<_> = ["/a", "/a", "/b", "/b", "/b", "/c"]
        .map(|target| status(&plugin, target))
        .into();
    assert_eq!(asked, [None, Some(429), None, None, Some(429), None]);
    let (_, context) = ask(&plugin, "/a");
    assert!(context.skips("limit-count") && !context.skips("limit-conn"));
}

#[test]
fn quota_headers_are_sent() {
    let plugin = plugin::<Workflow>(json!({"rules": [{"actions": [limit_count(5)]}]}));
    let (_, mut context) = ask(&plugin, "/");
    context.response = Some(response(200, &[]));
    plugin.header_filter(&mut context);
    let headers = &context.response.as_ref().unwrap().headers;
    assert_eq!(headers["x-ratelimit-limit"], "5");
    assert_eq!(headers["x-ratelimit-remaining"], "4");
}

#[test]
fn requests_at_a_time_are_given_back() {
    let limit = json!({"conn": 1, "burst": 0, "default_conn_delay": 0.1, "key": "remote_addr"});
    let plugin = plugin::<Workflow>(json!({"rules": [{"actions": [["limit-conn", limit]]}]}));
    let (first, mut context) = ask(&plugin, "/");
    assert_eq!(first, None);
    assert_eq!(status(&plugin, "/"), Some(503));
    plugin.log(&mut context);
    assert_eq!(status(&plugin, "/"), None);
}

#[test]
fn what_cannot_work_is_refused() {
    for (actions, expected) in [
        (
            json!([]),
            "actions must hold at least one action (rules[0])",
        ),
        (json!([["fly", {}]]), "unsupported action: fly (rules[0])"),
        (json!([[7]]), "unsupported action: 7 (rules[0])"),
        (
            json!([["return"]]),
            "failed to validate the 'return' action: property \"code\" is required (rules[0])",
        ),
        (
            json!([["return", {"code": 600}]]),
            "failed to validate the 'return' action: property \"code\" validation failed: expected 600 to be at most 599 (rules[0])",
        ),
        (
            json!([["return", {"code": 200}], ["limit-count", {"count": 0, "time_window": 1}]]),
            "failed to validate the 'limit-count' action: ",
        ),
    ] {
        let text = refusal::<Workflow>(json!({"rules": [{"actions": actions}]}));
        assert!(text.starts_with(expected), "{text}");
    }
    let text = refusal::<Workflow>(
        json!({"rules": [{"case": [["a", "?", 1]], "actions": [["return", {"code": 200}]]}]}),
    );
    assert!(
        text.starts_with("failed to validate the 'case' expression: "),
        "{text}"
    );
    for config in [
        json!({}),
        json!({"rules": [{}]}),
        json!({"rules": [{"actions": [[]]}]}),
        json!({"rules": [{"case": [], "actions": [["return", {"code": 200}]]}]}),
    ] {
        assert!(!refusal::<Workflow>(config.clone()).is_empty(), "{config}");
    }
}
