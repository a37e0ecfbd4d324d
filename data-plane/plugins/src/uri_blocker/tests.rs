use http::StatusCode;
use serde_json::{Value, json};
use weir_plugin_api::testkit::{FakeHost, request};
use weir_plugin_api::{Body, Plugin, Response};

use super::UriBlocker;
use crate::tests::{answer, plugin, refusal};

fn run(config: &Value, target: &str, path: Option<&str>) -> Option<Response> {
    let mut context = request(target).context(FakeHost::shared());
    if let Some(path) = path {
        context.request.path = path.to_owned();
    }
    answer(plugin::<UriBlocker>(config.clone()).rewrite(&mut context))
}

#[test]
fn path_and_query_are_looked_at() {
    let config = json!({"block_rules": ["root\\.exe", "^/admin", "[?&]cmd="]});
    for (target, blocked) in [
        ("/a/root.exe", true),
        ("/a/ROOT.exe", false),
        ("/admin/x", true),
        ("/x/admin", false),
        ("/x?a=1&cmd=ls", true),
        ("/x?file=root.exe", true),
        ("/x", false),
    ] {
        assert_eq!(run(&config, target, None).is_some(), blocked, "{target}");
    }
    let config = json!({"block_rules": ["ROOT"], "case_insensitive": true});
    assert!(run(&config, "/root", None).is_some());
}

#[test]
fn no_spelling_of_the_path_gets_past_a_rule() {
    let config = json!({"block_rules": ["^/admin", "\\?x=1$"]});
    assert!(run(&config, "/%61dmin", None).is_some());
    assert!(run(&config, "/public/..%2fadmin", Some("/admin")).is_some());
    assert!(run(&config, "/a%20b?x=1", None).is_some());
    // What was sent counts too.
    let config = json!({"block_rules": ["%2e"]});
    assert!(run(&config, "/a/%2e%2e/b", Some("/b")).is_some());
}

#[test]
fn a_refusal_is_a_page_or_a_message() {
    let refused = run(&json!({"block_rules": ["a"]}), "/a", None).unwrap();
    assert_eq!(
        (refused.status, refused.body),
        (StatusCode::FORBIDDEN, Body::Page)
    );
    let config = json!({"block_rules": ["a"], "rejected_code": 404, "rejected_msg": "no"});
    let refused = run(&config, "/a", None).unwrap();
    assert_eq!(refused.status, StatusCode::NOT_FOUND);
    assert_eq!(refused.body, Body::Json(json!({"error_msg": "no"})));
    assert!(run(&json!({"block_rules": []}), "/a", None).is_none());
}

#[test]
fn wrong_configurations_are_refused() {
    refusal::<UriBlocker>(json!({}));
    refusal::<UriBlocker>(json!({"block_rules": [""]}));
    refusal::<UriBlocker>(json!({"block_rules": ["a", "a"]}));
    refusal::<UriBlocker>(json!({"block_rules": ["a"], "rejected_code": 199}));
    let text = refusal::<UriBlocker>(json!({"block_rules": ["(?=a)"]}));
    assert!(
        text.starts_with("expression \"(?=a)\": look-around"),
        "{text}"
    );
}
