use serde_json::json;
use weir_plugin_api::testkit::{FakeHost, request};
use weir_plugin_api::{Plugin, Step};

use super::ProxyControl;
use crate::tests::{plugin, refusal};

#[test]
fn the_body_is_read_unless_it_shall_not_be() {
    for (config, expected) in [
        (json!({}), true),
        (json!({"request_buffering": true}), true),
        (json!({"request_buffering": false}), false),
    ] {
        let plugin = plugin::<ProxyControl>(config);
        let mut context = request("/").context(FakeHost::shared());
        let read = matches!(plugin.rewrite(&mut context), Step::ReadBody);
        assert_eq!(read, expected);
    }
}

#[test]
fn a_body_that_is_there_or_too_large_is_not_asked_for_again() {
    let plugin = plugin::<ProxyControl>(json!({}));
    let mut context = request("/")
        .body("text/plain", "a")
        .context(FakeHost::shared());
    assert!(matches!(plugin.rewrite(&mut context), Step::Continue));
    context
        .request
        .body
        .set_larger_than(usize::MAX, bytes::Bytes::new());
    assert!(matches!(plugin.rewrite(&mut context), Step::Continue));
}

#[test]
fn what_is_neither_is_refused() {
    assert!(!refusal::<ProxyControl>(json!({"request_buffering": "on"})).is_empty());
}
