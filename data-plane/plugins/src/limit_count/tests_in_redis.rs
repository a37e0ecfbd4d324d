//! What concerns counting in Redis, as far as no Redis is needed for it.

use http::StatusCode;
use serde_json::{Value, json};
use weir_plugin_api::testkit::{FakeHost, request};
use weir_plugin_api::{Plugin, Response};

use super::LimitCount;
use crate::tests::{answer, at_once, plugin, refusal};

fn config(extra: Value) -> Value {
    let mut config = json!({"count": 2, "time_window": 60});
    config
        .as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    config
}

#[test]
fn what_a_redis_policy_needs_is_required() {
    for extra in [
        json!({"policy": "redis"}),
        json!({"policy": "redis-cluster", "redis_cluster_name": "c"}),
        json!({"policy": "redis-sentinel", "redis_master_name": "m"}),
    ] {
        let text = refusal::<LimitCount>(config(extra));
        assert!(text.ends_with("clause did not match"), "{text}");
    }
}

#[test]
fn without_redis_requests_fail_or_pass_as_configured() {
    let redis = |extra: Value| {
        let mut config = config(json!({"policy": "redis", "redis_host": "127.0.0.1"}));
        config
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        plugin::<LimitCount>(config)
    };
    let (strict, lenient) = (redis(json!({})), redis(json!({"allow_degradation": true})));
    let mut context = request("/").context(FakeHost::shared());
    let expected = Response::error_msg(StatusCode::INTERNAL_SERVER_ERROR, "failed to limit count");
    assert_eq!(answer(at_once(strict.access(&mut context))), Some(expected));
    assert_eq!(answer(at_once(lenient.access(&mut context))), None);
}
