use http::StatusCode;
use serde_json::json;
use weir_plugin_api::testkit::{FakeHost, request};
use weir_plugin_api::{Plugin, Response};

use super::ClientControl;
use crate::tests::{answer, plugin, refusal};

#[test]
fn the_limit_is_that_of_the_last_that_gives_one() {
    let mut context = request("/").context(FakeHost::shared());
    for (config, expected) in [
        (json!({}), None),
        (json!({"max_body_size": 10}), Some(10)),
        (json!({}), Some(10)),
        (json!({"max_body_size": 0}), Some(0)),
    ] {
        let plugin = plugin::<ClientControl>(config);
        assert!(answer(plugin.rewrite(&mut context)).is_none());
        assert_eq!(context.max_body, expected);
    }
}

#[test]
fn what_announces_that_it_is_too_large_is_refused_at_once() {
    for (most, announced, refused) in [
        (10, "10", false),
        (10, "11", true),
        (10, "none", false),
        (0, "11", false),
    ] {
        let plugin = plugin::<ClientControl>(json!({"max_body_size": most}));
        let request = request("/").header("content-length", announced);
        let answer = answer(plugin.rewrite(&mut request.context(FakeHost::shared())));
        let expected = refused.then(|| Response::page(StatusCode::PAYLOAD_TOO_LARGE));
        assert_eq!(answer, expected, "{announced} of {most}");
    }
}

#[test]
fn what_is_no_size_is_refused() {
    for size in [json!(-1), json!(1.5), json!("1m")] {
        let config = json!({ "max_body_size": size });
        assert!(!refusal::<ClientControl>(config).is_empty());
    }
}
