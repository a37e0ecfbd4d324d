use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use weir_model::{Key, Kind};
use weir_plugin_api::testkit::{FakeHost, RequestBuilder, request};
use weir_plugin_api::{Context, Living, Plugin, Response, Step};

use super::{Compiled, Counts, LimitConn};
use crate::tests::{answer, at_once, compile_in, on_route, plugin, refusal};

#[derive(Debug, PartialEq)]
enum Outcome {
    Passed,
    Delayed(u64),
    Refused(Response),
}

/// A request that is being served until it is dropped or ended.
fn begin(plugin: &Compiled, request: RequestBuilder) -> (Outcome, Context) {
    let mut context = request.context(Arc::clone(&FakeHost::shared()));
    let outcome = match plugin.access(&mut context) {
        Step::Continue => Outcome::Passed,
        Step::Delay(delay) => Outcome::Delayed(delay.as_millis() as u64),
        Step::Respond(response) => Outcome::Refused(*response),
        Step::Wait(_) | Step::RespondAfter(..) | Step::ReadBody => panic!("it never waits"),
    };
    (outcome, context)
}

fn end(plugin: &Compiled, mut context: Context, took_ms: u64) {
    context.record.upstream = Duration::from_millis(took_ms);
    context.record.upstream_statuses = vec![200];
    plugin.log(&mut context);
}

/// Keys that are still counted in this agent.
fn left(plugin: &Compiled) -> usize {
    match &plugin.counts {
        Counts::Local(counts) => counts.len(),
        Counts::Shared(..) => panic!("counted elsewhere"),
    }
}

fn config(extra: &Value) -> Value {
    let mut config = json!({
        "conn": 1, "burst": 1, "default_conn_delay": 0.1, "key": "remote_addr",
        "only_use_default_delay": true,
    });
    let fields = config.as_object_mut().unwrap();
    fields.extend(extra.as_object().unwrap().clone());
    config
}

fn without(config: Value, names: &[&str]) -> Value {
    let mut config = config;
    for name in names {
        config.as_object_mut().unwrap().shift_remove(*name);
    }
    config
}

fn page(code: u16) -> Outcome {
    Outcome::Refused(Response::page(StatusCode::from_u16(code).unwrap()))
}

#[test]
fn requests_above_conn_wait_and_above_burst_are_refused() {
    let plugin = plugin::<LimitConn>(config(&json!({})));
    let (first, one) = begin(&plugin, request("/"));
    let (second, two) = begin(&plugin, request("/"));
    let (third, three) = begin(&plugin, request("/"));
    assert_eq!(
        [first, second, third],
        [Outcome::Passed, Outcome::Delayed(100), page(503)]
    );
    // A refusal is not counted, so that its end frees nothing.
    end(&plugin, three, 0);
    assert_eq!(begin(&plugin, request("/")).0, page(503));
    end(&plugin, one, 0);
    end(&plugin, two, 0);
    assert_eq!(left(&plugin), 0);
    assert_eq!(begin(&plugin, request("/")).0, Outcome::Passed);
}

#[test]
fn a_client_that_leaves_while_it_waits_is_not_counted_any_more() {
    let plugin = plugin::<LimitConn>(config(&json!({"burst": 0})));
    let (_, mut left) = begin(&plugin, request("/"));
    plugin.log(&mut left);
    assert_eq!(begin(&plugin, request("/")).0, Outcome::Passed);
    // Its log phase does not come twice; if it did, nothing else would be freed.
    plugin.log(&mut left);
    assert_eq!(begin(&plugin, request("/")).0, page(503));
}

#[test]
fn the_unit_follows_what_requests_take() {
    let plugin = plugin::<LimitConn>(config(&json!({"only_use_default_delay": false})));
    let (_, context) = begin(&plugin, request("/"));
    end(&plugin, context, 500);
    let (_, held) = begin(&plugin, request("/"));
    assert_eq!(begin(&plugin, request("/")).0, Outcome::Delayed(300));
    drop(held);
}

#[test]
fn what_was_not_proxied_counts_by_its_whole_time() {
    let plugin = plugin::<LimitConn>(config(&json!({"only_use_default_delay": false})));
    let (_, mut context) = begin(&plugin, request("/"));
    context.record.total = Duration::from_millis(300);
    plugin.log(&mut context);
    let (_, _held) = begin(&plugin, request("/"));
    assert_eq!(begin(&plugin, request("/")).0, Outcome::Delayed(200));
}

#[test]
fn keys_count_apart() {
    for key in ["http_x_team", "header_X-Team"] {
        let plugin = plugin::<LimitConn>(config(&json!({"burst": 0, "key": key})));
        let team = |name| request("/").header("x-team", name);
        let (red, _held) = begin(&plugin, team("red"));
        assert_eq!(red, Outcome::Passed);
        assert_eq!(begin(&plugin, team("blue")).0, Outcome::Passed);
        assert_eq!(begin(&plugin, team("red")).0, page(503));
        // Without the header it is the client's address.
        assert_eq!(begin(&plugin, request("/")).0, Outcome::Passed);
        assert_eq!(begin(&plugin, request("/")).0, page(503));
    }
    let combined = json!({"burst": 0, "key": "$arg_a:$arg_b", "key_type": "var_combination"});
    let plugin = plugin::<LimitConn>(config(&combined));
    assert_eq!(begin(&plugin, request("/?a=1&b=2")).0, Outcome::Passed);
    assert_eq!(begin(&plugin, request("/?a=1&b=3")).0, Outcome::Passed);
    assert_eq!(begin(&plugin, request("/?a=1&b=2")).0, page(503));
}

#[test]
fn amounts_may_be_templates() {
    let extra = json!({"conn": "$http_x_conn", "burst": "$http_x_burst"});
    let ask = |plugin: &Compiled, conn: &str, burst: &str| {
        let request = request("/").header("x-conn", conn).header("x-burst", burst);
        begin(plugin, request).0
    };
    let plugin = plugin::<LimitConn>(config(&extra));
    assert_eq!(ask(&plugin, "2", "0"), Outcome::Passed);
    assert_eq!(ask(&plugin, "1", "0"), page(503));
    assert_eq!(ask(&plugin, "2", "0"), Outcome::Passed);
    for (conn, burst) in [("0", "0"), ("x", "0"), ("1.5", "0"), ("1", "-1"), ("1", "")] {
        assert_eq!(ask(&plugin, conn, burst), page(500), "{conn} {burst}");
    }
    let mut extra = extra;
    extra["allow_degradation"] = json!(true);
    let lenient = crate::tests::plugin::<LimitConn>(config(&extra));
    for _ in 0..3 {
        assert_eq!(ask(&lenient, "x", "0"), Outcome::Passed);
    }
}

fn rules(extra: Value) -> Value {
    let rules = json!([
        {"conn": 2, "burst": 0, "key": "$http_x_user"},
        {"conn": 1, "burst": 1, "key": "$http_x_user $http_x_team"},
        {"conn": 1, "burst": 0, "key": "$http_x_none"},
    ]);
    let mut config =
        json!({"rules": rules, "default_conn_delay": 0.5, "only_use_default_delay": true});
    config
        .as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    config
}

#[test]
fn every_rule_that_applies_is_checked() {
    let plugin = plugin::<LimitConn>(rules(json!({})));
    let user = || request("/").header("x-user", "me");
    let (first, one) = begin(&plugin, user());
    let (second, two) = begin(&plugin, user());
    assert_eq!([first, second], [Outcome::Passed, Outcome::Delayed(500)]);
    assert_eq!(begin(&plugin, user()).0, page(503));
    end(&plugin, one, 0);
    end(&plugin, two, 0);
    assert_eq!(left(&plugin), 0);
}

#[test]
fn a_rule_that_refuses_does_not_leave_the_others_counted() {
    let plugin = plugin::<LimitConn>(json!({
        "rules": [
            {"conn": 9, "burst": 0, "key": "$remote_addr"},
            {"conn": 1, "burst": 0, "key": "$uri"},
        ],
        "default_conn_delay": 1,
    }));
    let (_, held) = begin(&plugin, request("/"));
    let (refused, over) = begin(&plugin, request("/"));
    assert_eq!(refused, page(503));
    end(&plugin, over, 0);
    end(&plugin, held, 0);
    assert_eq!(left(&plugin), 0);
}

#[test]
fn without_a_rule_that_applies_nothing_is_known() {
    assert_eq!(
        begin(&plugin::<LimitConn>(rules(json!({}))), request("/")).0,
        page(500)
    );
    let lenient = rules(json!({"allow_degradation": true}));
    assert_eq!(
        begin(&plugin::<LimitConn>(lenient), request("/")).0,
        Outcome::Passed
    );
}

#[test]
fn the_refusal_can_be_worded() {
    let extra = json!({"burst": 0, "rejected_code": 429, "rejected_msg": "too many at once"});
    let plugin = plugin::<LimitConn>(config(&extra));
    let (_, _held) = begin(&plugin, request("/"));
    let expected = Response::error_msg(StatusCode::TOO_MANY_REQUESTS, "too many at once");
    assert_eq!(begin(&plugin, request("/")).0, Outcome::Refused(expected));
}

#[test]
fn counts_survive_a_change_elsewhere_and_not_one_of_the_plugin() {
    let living = Living::default();
    let owner = Key::new(Kind::Route, "1");
    let compiled = |fingerprint: &str| {
        let context = on_route(&owner, fingerprint, &living, None);
        compile_in::<LimitConn>(config(&json!({"burst": 0})), &context).unwrap()
    };
    let first = compiled("a");
    let (outcome, held) = begin(&first, request("/"));
    assert_eq!(outcome, Outcome::Passed);
    assert_eq!(begin(&compiled("a"), request("/")).0, page(503));
    assert_eq!(begin(&compiled("b"), request("/")).0, Outcome::Passed);
    end(&first, held, 0);
    assert_eq!(begin(&compiled("a"), request("/")).0, Outcome::Passed);
}

#[test]
fn a_count_is_exact_over_threads() {
    let plugin = plugin::<LimitConn>(config(&json!({"conn": 7, "burst": 0})));
    let served = std::sync::atomic::AtomicI64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..2000 {
                    let (outcome, context) = begin(&plugin, request("/"));
                    if outcome == Outcome::Passed {
                        let now = served.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                        assert!(now < 7, "{now} are served already");
                        served.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                    }
                    end(&plugin, context, 0);
                }
            });
        }
    });
    assert_eq!(left(&plugin), 0);
}

#[test]
fn ranges_are_checked() {
    for extra in [
        json!({"conn": 0}),
        json!({"conn": 1.5}),
        json!({"burst": -1}),
        json!({"default_conn_delay": 0}),
        json!({"default_conn_delay": 1e300}),
        json!({"rejected_code": 199}),
        json!({"rejected_msg": ""}),
        json!({"key_type": "constant"}),
        json!({"conn": "many"}),
        json!({"rules": []}),
    ] {
        assert!(!refusal::<LimitConn>(config(&extra)).is_empty(), "{extra}");
    }
    for missing in ["conn", "burst", "key", "default_conn_delay"] {
        assert!(!refusal::<LimitConn>(without(config(&json!({})), &[missing])).is_empty());
    }
    assert_eq!(
        refusal::<LimitConn>(config(&json!({"burst": "few"}))),
        "burst must be an integer of 0 or more or a template, got \"few\""
    );
    let redis = json!({"policy": "redis", "redis_host": "127.0.0.1", "key_ttl": 0});
    assert_eq!(
        refusal::<LimitConn>(config(&redis)),
        "key_ttl must be above 0, got 0"
    );
    let incomplete = refusal::<LimitConn>(config(&json!({"policy": "redis"})));
    assert_eq!(incomplete, "then clause did not match");
}

#[test]
fn without_redis_requests_fail_or_pass_as_configured() {
    let redis = json!({"policy": "redis", "redis_host": "127.0.0.1"});
    let strict = plugin::<LimitConn>(config(&redis));
    let mut context = request("/").context(FakeHost::shared());
    let expected = Response::page(StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(answer(at_once(strict.access(&mut context))), Some(expected));
    let mut redis = redis;
    redis["allow_degradation"] = json!(true);
    let lenient = plugin::<LimitConn>(config(&redis));
    assert_eq!(answer(at_once(lenient.access(&mut context))), None);
}
