use http::StatusCode;
use serde_json::{Value, json};
use weir_plugin_api::testkit::{FakeHost, request};
use weir_plugin_api::{Body, Plugin, Response};

use super::UaRestriction;
use crate::tests::{answer, plugin, refusal};

fn run(config: &Value, agents: &[&str]) -> Option<Response> {
    let mut builder = request("/");
    for agent in agents {
        builder = builder.header("user-agent", agent);
    }
    let mut context = builder.context(FakeHost::shared());
    answer(plugin::<UaRestriction>(config.clone()).access(&mut context))
}

#[test]
fn lists_let_in_and_keep_out() {
    let allow = json!({"allowlist": ["^my-app/", "curl"]});
    assert!(run(&allow, &["my-app/1"]).is_none());
    assert!(run(&allow, &[" my-app/1 "]).is_none());
    assert!(run(&allow, &["not my-app/1"]).is_some());
    assert!(run(&allow, &["my-app/1", "other"]).is_some());
    let deny = json!({"denylist": ["(?i)bot$", "spider"]});
    assert!(run(&deny, &["GoogleBot"]).is_some());
    assert!(run(&deny, &["good", "spider"]).is_some());
    assert!(run(&deny, &["good"]).is_none());
}

#[test]
fn a_missing_header_is_refused_unless_bypassed() {
    let refused = run(&json!({"denylist": ["bot"], "message": "no"}), &[]).unwrap();
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(refused.body, Body::Json(json!({"message": "no"})));
    let config = json!({"allowlist": ["app"], "bypass_missing": true});
    assert!(run(&config, &[]).is_none());
    let refused = run(&config, &["bot"]).unwrap();
    assert_eq!(refused.body, Body::Json(json!({"message": "Not allowed"})));
}

#[test]
fn wrong_configurations_are_refused() {
    refusal::<UaRestriction>(json!({}));
    refusal::<UaRestriction>(json!({"allowlist": ["a"], "denylist": ["b"]}));
    refusal::<UaRestriction>(json!({"allowlist": []}));
    let text = refusal::<UaRestriction>(json!({"allowlist": ["a", "b("]}));
    assert_eq!(text, "expression \"b(\": unclosed group");
}
