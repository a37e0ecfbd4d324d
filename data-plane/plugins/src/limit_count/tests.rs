mod refused;

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use weir_model::{Key, Kind};
use weir_plugin_api::testkit::{FakeHost, RequestBuilder, request, response};
use weir_plugin_api::{Living, Plugin, Response};

use super::{Compiled, LimitCount};
use crate::tests::{answer, compile_in, on_route, plugin};

/// What a client sees: the refusal, if any, and the quota headers in order of their names.
struct Seen {
    refusal: Option<Response>,
    headers: Vec<(String, String)>,
}

impl Seen {
    fn passed(&self) -> bool {
        self.refusal.is_none()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }
}

fn ask(plugin: &Compiled, host: &Arc<FakeHost>, request: RequestBuilder) -> Seen {
    let mut context = request.context(Arc::clone(host));
    let refusal = answer(plugin.access(&mut context));
    let status = refusal
        .as_ref()
        .map_or(200, |refusal| refusal.status.as_u16());
    context.response = Some(response(status, &[]));
    plugin.header_filter(&mut context);
    let headers = context.response.unwrap().headers;
    let mut headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    headers.sort();
    Seen { refusal, headers }
}

fn config(extra: Value) -> Value {
    let mut config = json!({"count": 2, "time_window": 60});
    let fields = config.as_object_mut().unwrap();
    fields.extend(extra.as_object().unwrap().clone());
    fields.retain(|_, value| !value.is_null());
    config
}

fn make(extra: Value) -> Compiled {
    plugin::<LimitCount>(config(extra))
}

fn quota(seen: &Seen) -> [&str; 3] {
    [
        "x-ratelimit-limit",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
    ]
    .map(|name| seen.header(name).unwrap_or("none"))
}

#[test]
fn requests_above_the_count_are_refused_until_the_window_ends() {
    let host = FakeHost::shared();
    let plugin = make(json!({}));
    let first = ask(&plugin, &host, request("/"));
    assert!(first.passed());
    assert_eq!(quota(&first), ["2", "1", "60"]);
    host.advance(Duration::from_millis(1_234));
    assert_eq!(
        quota(&ask(&plugin, &host, request("/"))),
        ["2", "0", "58.76"]
    );
    host.advance(Duration::from_millis(266));
    let third = ask(&plugin, &host, request("/"));
    let page = Response::page(StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(third.refusal, Some(page));
    assert_eq!(quota(&third), ["2", "0", "58.5"]);
    host.advance(Duration::from_millis(58_500));
    assert_eq!(quota(&ask(&plugin, &host, request("/"))), ["2", "1", "60"]);
}

#[test]
fn the_refusal_can_be_worded() {
    let host = FakeHost::shared();
    let plugin = make(json!({"count": 1, "rejected_code": 429, "rejected_msg": "enough"}));
    assert!(ask(&plugin, &host, request("/")).passed());
    let expected = Response::json(
        StatusCode::TOO_MANY_REQUESTS,
        json!({"error_msg": "enough"}),
    );
    let refused = ask(&plugin, &host, request("/"));
    assert_eq!(refused.refusal, Some(expected));
}

#[test]
fn quota_headers_can_be_left_out_and_renamed() {
    let host = FakeHost::shared();
    let plugin = make(json!({"show_limit_quota_header": false}));
    assert!(ask(&plugin, &host, request("/")).headers.is_empty());

    let owner = Key::new(Kind::Route, "1");
    let metadata = json!({"limit_header": "X-Q", "remaining_header": "X-Left"});
    let living = Living::default();
    let context = on_route(&owner, "a", &living, Some(metadata));
    let plugin = compile_in::<LimitCount>(config(json!({})), &context).unwrap();
    let expected = [("x-left", "1"), ("x-q", "2"), ("x-ratelimit-reset", "60")];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(ask(&plugin, &host, request("/")).headers, expected);
}

#[test]
fn keys_count_apart() {
    let host = FakeHost::shared();
    let cases = [
        (json!({"key": "arg_who"}), "/?who=a", "/?who=b"),
        (json!({"key": "query_arg_who"}), "/?who=a", "/?who=b"),
        (
            json!({"key": "$arg_who $arg_what", "key_type": "var_combination"}),
            "/?who=a&what=1",
            "/?who=a&what=2",
        ),
    ];
    for (extra, one, other) in cases {
        let mut extra = extra;
        extra["count"] = json!(1);
        let plugin = make(extra.clone());
        assert!(ask(&plugin, &host, request(one)).passed(), "{extra}");
        assert!(ask(&plugin, &host, request(other)).passed(), "{extra}");
        assert!(!ask(&plugin, &host, request(one)).passed(), "{extra}");
    }
}

#[test]
fn a_key_without_value_counts_by_the_client() {
    let host = FakeHost::shared();
    for extra in [
        json!({"count": 1, "key": "http_nothing"}),
        json!({"count": 1, "key": "$http_nothing", "key_type": "var_combination"}),
        json!({"count": 1, "key": "client_ip"}),
        json!({"count": 1}),
    ] {
        let plugin = make(extra.clone());
        let other = || request("/").client("192.0.2.50:9");
        assert!(ask(&plugin, &host, request("/")).passed(), "{extra}");
        assert!(ask(&plugin, &host, other()).passed(), "{extra}");
        assert!(!ask(&plugin, &host, other()).passed(), "{extra}");
    }
}

#[test]
fn a_constant_is_one_counter_for_everything() {
    let host = FakeHost::shared();
    let plugin = make(json!({"count": 1, "key": "remote_addr", "key_type": "constant"}));
    assert!(ask(&plugin, &host, request("/")).passed());
    let other = request("/").client("192.0.2.50:9");
    assert!(!ask(&plugin, &host, other).passed());
}

#[test]
fn count_and_window_can_be_templates() {
    let host = FakeHost::shared();
    let plugin = make(json!({"count": "${http_x_count ?? 3}", "time_window": "$http_x_window"}));
    let seen = ask(
        &plugin,
        &host,
        request("/").header("x-count", "7").header("x-window", "10"),
    );
    assert_eq!(quota(&seen), ["7", "6", "10"]);
    let plugin = make(json!({"count": "5", "time_window": "10"}));
    assert_eq!(quota(&ask(&plugin, &host, request("/"))), ["5", "4", "10"]);
}

#[test]
fn a_template_without_a_number_fails_or_degrades() {
    let host = FakeHost::shared();
    let error = Some(Response::page(StatusCode::INTERNAL_SERVER_ERROR));
    for value in ["abc", "0", "-1", "1.5", "1e300", ""] {
        let asked = || request("/").header("x-count", value);
        let plugin = make(json!({"count": "$http_x_count"}));
        assert_eq!(ask(&plugin, &host, asked()).refusal, error, "{value:?}");
        let plugin = make(json!({"count": "$http_x_count", "allow_degradation": true}));
        assert!(ask(&plugin, &host, asked()).passed(), "{value:?}");
    }
}

fn rules(rules: Value) -> Value {
    json!({"rules": rules})
}

#[test]
fn every_rule_is_checked_under_its_own_headers() {
    let host = FakeHost::shared();
    let plugin = plugin::<LimitCount>(rules(json!([
        {"count": 1, "time_window": 10, "key": "$http_x_user"},
        {"count": 5, "time_window": 60, "key": "$http_x_team", "header_prefix": "Team"},
        {"count": 9, "time_window": 60, "key": "$http_x_absent"},
    ])));
    let asked = || request("/").header("x-user", "a").header("x-team", "a");
    let seen = ask(&plugin, &host, asked());
    assert!(seen.passed());
    assert_eq!(seen.header("x-1-ratelimit-limit"), Some("1"));
    assert_eq!(seen.header("x-1-ratelimit-remaining"), Some("0"));
    assert_eq!(seen.header("x-1-ratelimit-reset"), Some("10"));
    assert_eq!(seen.header("x-team-ratelimit-remaining"), Some("4"));
    assert_eq!(seen.header("x-3-ratelimit-limit"), None);
    let refused = ask(&plugin, &host, asked());
    assert!(!refused.passed());
    assert_eq!(refused.header("x-1-ratelimit-remaining"), Some("0"));
    assert_eq!(refused.header("x-team-ratelimit-remaining"), None);
    let team_only = ask(&plugin, &host, request("/").header("x-team", "a"));
    assert_eq!(team_only.header("x-team-ratelimit-remaining"), Some("3"));
}

#[test]
fn no_rule_that_applies_fails_or_degrades() {
    let host = FakeHost::shared();
    let mut config = rules(json!([{"count": 1, "time_window": 10, "key": "$http_x_user"}]));
    let strict = plugin::<LimitCount>(config.clone());
    let error = Some(Response::page(StatusCode::INTERNAL_SERVER_ERROR));
    assert_eq!(ask(&strict, &host, request("/")).refusal, error);
    config["allow_degradation"] = json!(true);
    let lenient = plugin::<LimitCount>(config);
    assert!(ask(&lenient, &host, request("/")).passed());
}

#[test]
fn a_rule_that_applies_without_a_number_lets_nobody_pass() {
    let host = FakeHost::shared();
    let mut config = rules(json!([
        {"count": 5, "time_window": 10, "key": "$remote_addr"},
        {"count": "$http_x_count", "time_window": 10, "key": "$http_x_user"},
    ]));
    let strict = plugin::<LimitCount>(config.clone());
    let error = Some(Response::page(StatusCode::INTERNAL_SERVER_ERROR));
    let asked = || request("/").header("x-user", "a").header("x-count", "none");
    assert_eq!(ask(&strict, &host, asked()).refusal, error);
    // It was counted by none, and where the rule does not apply its number does not matter.
    let seen = ask(&strict, &host, request("/"));
    assert_eq!(seen.header("x-1-ratelimit-remaining"), Some("4"));
    config["allow_degradation"] = json!(true);
    let lenient = plugin::<LimitCount>(config);
    assert!(ask(&lenient, &host, asked()).headers.is_empty());
}

#[test]
fn the_prefix_of_a_rule_goes_into_the_names_of_the_metadata() {
    let host = FakeHost::shared();
    let owner = Key::new(Kind::Route, "1");
    let metadata = json!({"limit_header": "X-Our-RateLimit-Limit", "reset_header": "X-Wait"});
    let living = Living::default();
    let context = on_route(&owner, "a", &living, Some(metadata));
    let rule = json!({"count": 2, "time_window": 9, "key": "$remote_addr", "header_prefix": "Ip"});
    let plugin = compile_in::<LimitCount>(rules(json!([rule])), &context).unwrap();
    let expected = [
        ("x-ip-ratelimit-remaining", "1"),
        ("x-our-ip-ratelimit-limit", "2"),
        ("x-wait", "9"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(ask(&plugin, &host, request("/")).headers, expected);
}

#[test]
fn a_sliding_window_weighs_the_previous_one() {
    let host = FakeHost::shared();
    let plugin = make(json!({"count": 4, "time_window": 10, "window_type": "sliding"}));
    for _ in 0..4 {
        assert!(ask(&plugin, &host, request("/")).passed());
    }
    host.advance(Duration::from_secs(10));
    assert!(!ask(&plugin, &host, request("/")).passed());
    host.advance(Duration::from_millis(2_500));
    let seen = ask(&plugin, &host, request("/"));
    assert_eq!(quota(&seen), ["4", "0", "7.5"]);
    assert!(!ask(&plugin, &host, request("/")).passed());
}

#[test]
fn a_group_shares_one_counter_over_owners() {
    let host = FakeHost::shared();
    let living = Living::default();
    let grouped = |id: &str| {
        let owner = Key::new(Kind::Route, id);
        let context = on_route(&owner, id, &living, None);
        compile_in::<LimitCount>(config(json!({"group": "g"})), &context).unwrap()
    };
    let (one, two) = (grouped("1"), grouped("2"));
    assert!(ask(&one, &host, request("/")).passed());
    assert!(ask(&two, &host, request("/")).passed());
    assert!(!ask(&one, &host, request("/")).passed());
}

#[test]
fn counters_belong_to_owner_and_configuration() {
    let host = FakeHost::shared();
    let living = Living::default();
    let compiled = |id: &str, fingerprint: &str| {
        let owner = Key::new(Kind::Route, id);
        let context = on_route(&owner, fingerprint, &living, None);
        compile_in::<LimitCount>(config(json!({"count": 1})), &context).unwrap()
    };
    let first = compiled("1", "a");
    assert!(ask(&first, &host, request("/")).passed());
    assert!(!ask(&compiled("1", "a"), &host, request("/")).passed());
    assert!(ask(&compiled("1", "b"), &host, request("/")).passed());
    assert!(ask(&compiled("2", "a"), &host, request("/")).passed());
}

#[test]
fn a_counter_is_exact_over_threads() {
    let host = FakeHost::shared();
    for window_type in ["fixed", "sliding"] {
        let plugin = make(json!({"count": 150, "window_type": window_type}));
        let admitted: usize = std::thread::scope(|scope| {
            let work = || {
                let passed = |_: &i32| ask(&plugin, &host, request("/")).passed();
                (0..100).filter(passed).count()
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .sum()
        });
        assert_eq!(admitted, 150, "{window_type}");
    }
}
