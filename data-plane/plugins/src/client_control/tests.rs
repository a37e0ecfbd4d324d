use serde_json::json;
use weir_plugin_api::Plugin;
use weir_plugin_api::testkit::{FakeHost, request};

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
fn what_is_no_size_is_refused() {
    for size in [json!(-1), json!(1.5), json!("1m")] {
        let config = json!({ "max_body_size": size });
        assert!(!refusal::<ClientControl>(config).is_empty());
    }
}
