use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;
use weir_plugin_api::testkit::{FakeHost, request};
use weir_plugin_api::{Consumer, Plugin};

use super::AttachConsumerLabel;
use crate::tests::{answer, plugin, refusal, sent};

#[test]
fn labels_become_headers_and_forged_ones_are_removed() {
    let config =
        json!({"headers": {"X-Department": "$department", "X-Plan": "$plan", "X-Bad": "$bad"}});
    let plugin = plugin::<AttachConsumerLabel>(config);
    let builder = || {
        request("/")
            .header("x-plan", "forged")
            .header("x-bad", "forged")
    };
    let mut context = builder().context(FakeHost::shared());
    assert!(answer(plugin.before_proxy(&mut context)).is_none());
    assert_eq!(sent(&context, "x-plan"), ["forged"]);
    context.consumer = Some(Arc::new(Consumer {
        name: "jack".into(),
        labels: BTreeMap::from([
            ("department".into(), "devops".into()),
            ("bad".into(), "a\r\nb".into()),
        ]),
        ..Consumer::default()
    }));
    assert!(answer(plugin.before_proxy(&mut context)).is_none());
    assert_eq!(sent(&context, "x-department"), ["devops"]);
    assert!(sent(&context, "x-plan").is_empty());
    assert!(sent(&context, "x-bad").is_empty());
}

#[test]
fn wrong_configurations_are_refused() {
    refusal::<AttachConsumerLabel>(json!({}));
    refusal::<AttachConsumerLabel>(json!({"headers": {}}));
    refusal::<AttachConsumerLabel>(json!({"headers": {"X-A": "label"}}));
    let text = refusal::<AttachConsumerLabel>(json!({"headers": {"X A": "$a"}}));
    assert_eq!(text, "headers must be a header name, got \"X A\"");
}
