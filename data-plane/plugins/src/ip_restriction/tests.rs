use http::StatusCode;
use serde_json::{Value, json};
use weir_plugin_api::testkit::{self, FakeHost, request};
use weir_plugin_api::{Body, Plugin, Response, StreamContext, StreamPlugin, StreamStep};

use super::IpRestriction;
use crate::tests::{answer, plugin, refusal};

fn run(config: Value, client: &str) -> Option<Response> {
    let mut context = request("/").client(client).context(FakeHost::shared());
    answer(plugin::<IpRestriction>(config).access(&mut context))
}

#[test]
fn lists_let_in_and_keep_out() {
    let white = json!({"whitelist": ["127.0.0.1", "10.0.0.0/8", "2001:db8::/32"]});
    let black = json!({"blacklist": ["127.0.0.1", "10.0.0.0/8", "2001:db8::/32"]});
    for (client, listed) in [
        ("127.0.0.1:1", true),
        ("10.9.8.7:1", true),
        ("[2001:db8::7]:1", true),
        ("11.0.0.1:1", false),
        ("[::1]:1", false),
    ] {
        assert_eq!(run(white.clone(), client).is_none(), listed, "{client}");
        assert_eq!(run(black.clone(), client).is_none(), !listed, "{client}");
    }
}

#[test]
fn status_and_message_of_a_refusal_can_be_chosen() {
    let refused = run(json!({"blacklist": ["127.0.0.1"]}), "127.0.0.1:1").unwrap();
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let text = json!({"message": "Your IP address is not allowed"});
    assert_eq!(refused.body, Body::Json(text));
    let config = json!({"blacklist": ["127.0.0.1"], "message": "no", "response_code": 404});
    let refused = run(config, "127.0.0.1:1").unwrap();
    assert_eq!(refused.status, StatusCode::NOT_FOUND);
    assert_eq!(refused.body, Body::Json(json!({"message": "no"})));
}

#[test]
fn wrong_configurations_are_refused() {
    refusal::<IpRestriction>(json!({}));
    refusal::<IpRestriction>(json!({"whitelist": ["::1"], "blacklist": ["::1"]}));
    refusal::<IpRestriction>(json!({"whitelist": ["256.0.0.1"]}));
    refusal::<IpRestriction>(json!({"whitelist": ["::1"], "response_code": 402}));
    refusal::<IpRestriction>(json!({"whitelist": ["::1"], "message": ""}));
    let text = refusal::<IpRestriction>(json!({"whitelist": ["::1/129"]}));
    assert_eq!(text, "invalid ip address: ::1/129");
}

#[test]
fn streams_are_refused_with_the_status() {
    let compiled = plugin::<IpRestriction>(json!({"blacklist": ["10.0.0.0/8"]}));
    let ask = |client: &str| {
        let head = testkit::stream(client, "127.0.0.1:9100");
        compiled.preread(&mut StreamContext::new(head, FakeHost::shared()))
    };
    assert_eq!(ask("10.0.0.1:5"), StreamStep::Refuse(403));
    assert_eq!(ask("[::ffff:10.0.0.1]:5"), StreamStep::Refuse(403));
    assert_eq!(ask("192.0.2.1:5"), StreamStep::Continue);
}
