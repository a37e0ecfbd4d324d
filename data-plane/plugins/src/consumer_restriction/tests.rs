use std::sync::Arc;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use weir_plugin_api::testkit::{FakeHost, request};
use weir_plugin_api::{Body, Consumer, Context, Plugin, Response, RouteInfo};

use super::ConsumerRestriction;
use crate::tests::{answer, plugin, refusal};

fn called_by(name: &str, method: Method) -> Context {
    let mut context = request("/").method(method).context(FakeHost::shared());
    context.consumer = Some(Arc::new(Consumer {
        name: name.into(),
        group_id: (name == "jack").then(|| "g".into()),
        ..Consumer::default()
    }));
    context.route = Some(Arc::new(RouteInfo {
        id: "r".into(),
        ..RouteInfo::default()
    }));
    context
}

fn run(config: Value, context: &mut Context) -> Option<(StatusCode, Body)> {
    let response: Option<Response> = answer(plugin::<ConsumerRestriction>(config).access(context));
    response.map(|response| (response.status, response.body))
}

fn is_let_in(config: &Value, name: &str, method: Method) -> bool {
    run(config.clone(), &mut called_by(name, method)).is_none()
}

#[test]
fn lists_are_looked_at_in_their_order() {
    let config = json!({"blacklist": ["jack"], "whitelist": ["jack", "jill"]});
    assert!(!is_let_in(&config, "jack", Method::GET));
    assert!(is_let_in(&config, "jill", Method::GET));
    assert!(!is_let_in(&config, "joe", Method::GET));
    let config = json!({"whitelist": ["jill"], "allowed_by_methods": [{"user": "jill", "methods": ["POST"]}]});
    assert!(is_let_in(&config, "jill", Method::GET));
    assert!(!is_let_in(&config, "jack", Method::POST));
    let config = json!({"allowed_by_methods": [{"user": "jack", "methods": ["GET", "HEAD"]}]});
    assert!(is_let_in(&config, "jack", Method::HEAD));
    assert!(!is_let_in(&config, "jack", Method::POST));
    assert!(is_let_in(&config, "anybody", Method::POST));
}

#[test]
fn group_route_and_service_can_be_named() {
    let config = json!({"type": "consumer_group_id", "whitelist": ["g"]});
    assert!(is_let_in(&config, "jack", Method::GET));
    let answer = run(config, &mut called_by("jill", Method::GET)).unwrap();
    let text = "The request is rejected, please check the consumer_group_id for this request";
    let expected = (
        StatusCode::UNAUTHORIZED,
        Body::Json(json!({ "message": text })),
    );
    assert_eq!(answer, expected);
    let config = json!({"type": "route_id", "blacklist": ["r"]});
    assert!(!is_let_in(&config, "jack", Method::GET));
    let config = json!({"type": "service_id", "blacklist": ["s"]});
    let answer = run(config, &mut called_by("jack", Method::GET)).unwrap();
    assert_eq!(answer.0, StatusCode::UNAUTHORIZED);
}

#[test]
fn nobody_is_told_to_authenticate() {
    let mut context = request("/").context(FakeHost::shared());
    let answer = run(json!({"whitelist": ["jack"]}), &mut context).unwrap();
    let text = "The request is rejected, please check the consumer_name for this request";
    let expected = (
        StatusCode::UNAUTHORIZED,
        Body::Json(json!({ "message": text })),
    );
    assert_eq!(answer, expected);
}

#[test]
fn status_and_message_of_a_refusal_can_be_chosen() {
    let refused = |config: Value| run(config, &mut called_by("jill", Method::GET)).unwrap();
    let text = json!({"message": "The consumer_name is forbidden."});
    let plain = refused(json!({"whitelist": ["jack"]}));
    assert_eq!(plain, (StatusCode::FORBIDDEN, Body::Json(text)));
    let own = json!({"whitelist": ["jack"], "rejected_code": 404, "rejected_msg": "no"});
    let expected = (StatusCode::NOT_FOUND, Body::Json(json!({"message": "no"})));
    assert_eq!(refused(own), expected);
}

#[test]
fn wrong_configurations_are_refused() {
    refusal::<ConsumerRestriction>(json!({}));
    refusal::<ConsumerRestriction>(json!({"whitelist": []}));
    refusal::<ConsumerRestriction>(json!({"whitelist": ["a"], "rejected_code": 199}));
    let text = refusal::<ConsumerRestriction>(json!({"whitelist": ["a"], "rejected_code": 1000}));
    assert_eq!(text, "rejected_code must be a status, got 1000");
}
