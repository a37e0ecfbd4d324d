use serde_json::json;

use super::{LimitCount, config, rules};
use crate::tests::refusal;

#[test]
fn what_cannot_be_is_refused_with_the_reason() {
    let rule = |key: &str| json!({"count": 1, "time_window": 1, "key": key});
    let mut twice = rules(json!([rule("$http_a"), rule("$http_a")]));
    assert_eq!(
        refusal::<LimitCount>(twice.clone()),
        "duplicate key '$http_a' in rules"
    );
    twice["count"] = json!(1);
    assert_eq!(
        refusal::<LimitCount>(twice),
        "count/time_window and rules cannot be specified at the same time"
    );
    let mut grouped = rules(json!([rule("$http_a")]));
    grouped["group"] = json!("g");
    assert_eq!(
        refusal::<LimitCount>(grouped),
        "group and rules cannot be specified at the same time"
    );
    assert_eq!(
        refusal::<LimitCount>(config(json!({"sync_interval": 0.5}))),
        "sync_interval 0.5 needs a redis policy: with policy local use -1"
    );
    for (extra, expected) in [
        (
            json!({"sync_interval": 0.05}),
            "sync_interval should not be smaller than 0.1, got 0.05",
        ),
        (
            json!({"sync_interval": -2}),
            "sync_interval should not be smaller than 0.1, got -2",
        ),
        (
            json!({"sync_interval": 60, "time_window": 60}),
            "sync_interval should be smaller than time_window, got 60 and 60",
        ),
        (
            json!({"sync_interval": 1, "window_type": "sliding"}),
            "sync_interval 1 needs window_type fixed: with sliding use -1",
        ),
    ] {
        let mut redis = json!({"policy": "redis", "redis_host": "127.0.0.1"});
        redis
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        assert_eq!(refusal::<LimitCount>(config(redis)), expected);
    }
    let slave = json!({
        "policy": "redis-sentinel", "redis_master_name": "m", "redis_role": "slave",
        "redis_sentinels": [{"host": "s.test", "port": 1}],
    });
    assert_eq!(
        refusal::<LimitCount>(config(slave)),
        "redis_role slave cannot count, since it takes no writes: use master"
    );
    assert_eq!(
        refusal::<LimitCount>(config(json!({"count": "many"}))),
        "count must be an integer above 0 or a template, got \"many\""
    );
    assert_eq!(
        refusal::<LimitCount>(config(json!({"time_window": "0"}))),
        "time_window must be an integer above 0 or a template, got \"0\""
    );
}

#[test]
fn ranges_are_checked() {
    for extra in [
        json!({"count": 0}),
        json!({"count": null}),
        json!({"time_window": 0}),
        json!({"time_window": 1.5}),
        json!({"rejected_code": 199}),
        json!({"rejected_msg": ""}),
        json!({"key_type": "other"}),
        json!({"window_type": "other"}),
        json!({"policy": "other"}),
    ] {
        let config = config(extra.clone());
        assert!(!refusal::<LimitCount>(config).is_empty(), "{extra}");
    }
}
