use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use weir_model::{Key, Kind};
use weir_plugin_api::testkit::{FakeHost, RequestBuilder, request};
use weir_plugin_api::{Living, Plugin, Response, Step};

use super::{Compiled, LimitReq};
use crate::tests::{answer, at_once, compile_in, on_route, plugin, refusal};

#[derive(Debug, PartialEq)]
enum Outcome {
    Passed,
    Delayed(u64),
    Refused(Response),
}

fn ask(plugin: &Compiled, host: &Arc<FakeHost>, request: RequestBuilder) -> Outcome {
    let mut context = request.context(Arc::clone(host));
    match plugin.access(&mut context) {
        Step::Continue => Outcome::Passed,
        Step::Delay(delay) => Outcome::Delayed(delay.as_millis() as u64),
        Step::Respond(response) => Outcome::Refused(*response),
        Step::Wait(_) | Step::ReadBody | Step::RespondAfter(..) => panic!("it never waits"),
    }
}

fn config(extra: &Value) -> Value {
    let mut config = json!({"rate": 10, "burst": 1, "key": "remote_addr"});
    let fields = config.as_object_mut().unwrap();
    fields.extend(extra.as_object().unwrap().clone());
    config
}

fn page(code: u16) -> Outcome {
    Outcome::Refused(Response::page(StatusCode::from_u16(code).unwrap()))
}

#[test]
fn requests_above_the_rate_wait_and_above_the_burst_are_refused() {
    let host = FakeHost::shared();
    let plugin = plugin::<LimitReq>(config(&json!({})));
    let next = || ask(&plugin, &host, request("/"));
    assert_eq!(next(), Outcome::Passed);
    assert_eq!(next(), Outcome::Delayed(100));
    assert_eq!(next(), page(503));
    host.advance(Duration::from_millis(100));
    assert_eq!(next(), Outcome::Delayed(100));
    host.advance(Duration::from_millis(200));
    assert_eq!(next(), Outcome::Passed);
}

#[test]
fn without_delay_the_burst_passes_at_once_and_is_still_consumed() {
    let host = FakeHost::shared();
    let plugin = plugin::<LimitReq>(config(&json!({"nodelay": true, "burst": 2})));
    for _ in 0..3 {
        assert_eq!(ask(&plugin, &host, request("/")), Outcome::Passed);
    }
    assert_eq!(ask(&plugin, &host, request("/")), page(503));
}

#[test]
fn delays_below_a_millisecond_are_skipped() {
    let host = FakeHost::shared();
    let plugin = plugin::<LimitReq>(config(&json!({"rate": 10_000, "burst": 20})));
    for _ in 0..10 {
        assert_eq!(ask(&plugin, &host, request("/")), Outcome::Passed);
    }
    assert_eq!(ask(&plugin, &host, request("/")), Outcome::Delayed(1));
}

#[test]
fn the_refusal_can_be_worded() {
    let host = FakeHost::shared();
    let extra = json!({"burst": 0, "rejected_code": 429, "rejected_msg": "slow down"});
    let plugin = plugin::<LimitReq>(config(&extra));
    assert_eq!(ask(&plugin, &host, request("/")), Outcome::Passed);
    let expected = Response::json(
        StatusCode::TOO_MANY_REQUESTS,
        json!({"error_msg": "slow down"}),
    );
    assert_eq!(
        ask(&plugin, &host, request("/")),
        Outcome::Refused(expected)
    );
}

#[test]
fn keys_count_apart() {
    let host = FakeHost::shared();
    for key in ["header_X-Team", "http_x_team"] {
        let plugin = plugin::<LimitReq>(config(&json!({"burst": 0, "key": key})));
        let team = |name| request("/").header("x-team", name);
        assert_eq!(ask(&plugin, &host, team("red")), Outcome::Passed);
        assert_eq!(ask(&plugin, &host, team("blue")), Outcome::Passed);
        assert_eq!(ask(&plugin, &host, team("red")), page(503));
    }
}

#[test]
fn the_guides_client_ip_is_the_client() {
    let host = FakeHost::shared();
    let plugin = plugin::<LimitReq>(config(&json!({"burst": 0, "key": "client_ip"})));
    assert_eq!(ask(&plugin, &host, request("/")), Outcome::Passed);
    let other = || request("/").client("192.0.2.77:1");
    assert_eq!(ask(&plugin, &host, other()), Outcome::Passed);
    assert_eq!(ask(&plugin, &host, other()), page(503));
}

#[test]
fn a_template_joins_variables_and_falls_back_to_the_client() {
    let host = FakeHost::shared();
    let extra = json!({"burst": 0, "key_type": "var_combination", "key": "$arg_a $arg_b"});
    let plugin = plugin::<LimitReq>(config(&extra));
    assert_eq!(ask(&plugin, &host, request("/?a=1&b=2")), Outcome::Passed);
    assert_eq!(ask(&plugin, &host, request("/?a=1&b=3")), Outcome::Passed);
    assert_eq!(ask(&plugin, &host, request("/?a=1&b=2")), page(503));
    assert_eq!(ask(&plugin, &host, request("/")), Outcome::Passed);
    assert_eq!(ask(&plugin, &host, request("/")), page(503));
}

#[test]
fn buckets_survive_a_change_elsewhere_and_not_one_of_the_plugin() {
    let host = FakeHost::shared();
    let living = Living::default();
    let owner = Key::new(Kind::Route, "1");
    let compiled = |fingerprint: &str| {
        let context = on_route(&owner, fingerprint, &living, None);
        compile_in::<LimitReq>(config(&json!({"burst": 0})), &context).unwrap()
    };
    let first = compiled("a");
    assert_eq!(ask(&first, &host, request("/")), Outcome::Passed);
    assert_eq!(ask(&compiled("a"), &host, request("/")), page(503));
    assert_eq!(ask(&compiled("b"), &host, request("/")), Outcome::Passed);
}

#[test]
fn a_bucket_is_exact_over_threads() {
    let host = FakeHost::shared();
    let plugin = plugin::<LimitReq>(config(&json!({"burst": 49, "nodelay": true})));
    let admitted: usize = std::thread::scope(|scope| {
        let work = || {
            let passed = |_: &i32| ask(&plugin, &host, request("/")) == Outcome::Passed;
            (0..100).filter(passed).count()
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    assert_eq!(admitted, 50);
}

#[test]
fn without_redis_requests_fail_or_pass_as_configured() {
    let redis = json!({"policy": "redis", "redis_host": "127.0.0.1"});
    let strict = plugin::<LimitReq>(config(&redis));
    let mut context = request("/").context(FakeHost::shared());
    let expected = Response::page(StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(answer(at_once(strict.access(&mut context))), Some(expected));
    let mut redis = redis;
    redis["allow_degradation"] = json!(true);
    let lenient = plugin::<LimitReq>(config(&redis));
    assert_eq!(answer(at_once(lenient.access(&mut context))), None);
}

#[test]
fn what_a_redis_policy_needs_is_required() {
    let incomplete = refusal::<LimitReq>(config(&json!({"policy": "redis"})));
    assert_eq!(incomplete, "then clause did not match");
    let text = refusal::<LimitReq>(config(&json!({
        "policy": "redis-cluster", "redis_cluster_name": "c", "redis_cluster_nodes": ["nowhere"],
    })));
    assert_eq!(
        text,
        "redis_cluster_nodes[0] must be HOST:PORT, got \"nowhere\""
    );
    assert!(!refusal::<LimitReq>(config(&json!({"policy": "redis-sentinel"}))).is_empty());
}

#[test]
fn ranges_are_checked() {
    for extra in [
        json!({"rate": 0}),
        json!({"burst": -1}),
        json!({"rejected_code": 199}),
        json!({"rejected_code": 600}),
        json!({"rejected_msg": ""}),
        json!({"key_type": "constant"}),
    ] {
        assert!(!refusal::<LimitReq>(config(&extra)).is_empty(), "{extra}");
    }
    for missing in ["rate", "burst", "key"] {
        let mut config = config(&json!({}));
        config.as_object_mut().unwrap().shift_remove(missing);
        let text = refusal::<LimitReq>(config);
        assert_eq!(text, format!("property \"{missing}\" is required"));
    }
}
