use http::StatusCode;
use serde_json::{Value, json};
use weir_plugin_api::testkit::{FakeHost, request};
use weir_plugin_api::{Body, Plugin, Response};

use super::RefererRestriction;
use crate::tests::{answer, plugin, refusal};

fn run(config: &Value, referer: Option<&str>) -> Option<Response> {
    let mut builder = request("/");
    if let Some(referer) = referer {
        builder = builder.header("referer", referer);
    }
    let mut context = builder.context(FakeHost::shared());
    answer(plugin::<RefererRestriction>(config.clone()).access(&mut context))
}

#[test]
fn hosts_are_compared_whole_or_by_their_end() {
    let white = json!({"whitelist": ["Example.com", "*.example.org"]});
    let black = json!({"blacklist": ["Example.com", "*.example.org"]});
    for (referer, listed) in [
        ("http://example.com/page?x", true),
        ("https://EXAMPLE.com:8443", true),
        ("http://a.b.example.org/", true),
        ("http://example.org/", false),
        ("http://badexample.com/", false),
        ("http://example.com.evil.org/", false),
        ("http://evil.org/example.com", false),
        ("http://example.com@evil.org/", false),
    ] {
        assert_eq!(run(&white, Some(referer)).is_none(), listed, "{referer}");
        assert_eq!(run(&black, Some(referer)).is_none(), !listed, "{referer}");
    }
    assert!(run(&json!({"whitelist": ["*"]}), Some("http://any/")).is_none());
}

#[test]
fn what_is_missing_or_no_url_is_refused_unless_bypassed() {
    let config = json!({"whitelist": ["example.com"]});
    let bypass = json!({"whitelist": ["example.com"], "bypass_missing": true});
    for referer in [
        None,
        Some("example.com"),
        Some("/path"),
        Some(""),
        Some("http://"),
    ] {
        let refused = run(&config, referer).unwrap();
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        let text = json!({"message": "Your referer host is not allowed"});
        assert_eq!(refused.body, Body::Json(text));
        assert!(run(&bypass, referer).is_none(), "{referer:?}");
    }
}

#[test]
fn wrong_configurations_are_refused() {
    refusal::<RefererRestriction>(json!({}));
    refusal::<RefererRestriction>(json!({"whitelist": ["a b"]}));
    refusal::<RefererRestriction>(json!({"whitelist": ["a"], "blacklist": ["b"]}));
}
