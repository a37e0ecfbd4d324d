use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use weir_plugin_api::testkit::{FakeHost, request};
use weir_plugin_api::{Plugin, Response};

use super::{ApiBreaker, Compiled};
use crate::tests::{answer, plugin, refusal};

/// One request, whose node answers with `status`; the answer of the plugin.
fn ask(plugin: &Compiled, host: &Arc<FakeHost>, target: &str, status: u16) -> Option<Response> {
    let mut context = request(target).context(Arc::clone(host));
    let answer = answer(plugin.access(&mut context));
    if answer.is_none() {
        context.record.upstream_statuses = vec![status];
    }
    plugin.log(&mut context);
    answer
}

fn open(config: Value) -> (Compiled, Arc<FakeHost>) {
    let (plugin, host) = (plugin::<ApiBreaker>(config), FakeHost::shared());
    for _ in 0..3 {
        assert_eq!(ask(&plugin, &host, "/a", 500), None);
    }
    (plugin, host)
}

#[test]
fn failures_open_it_for_a_while_and_successes_close_it() {
    let (plugin, host) = open(json!({"break_response_code": 502}));
    let refused = Some(Response::page(StatusCode::BAD_GATEWAY));
    assert_eq!(ask(&plugin, &host, "/a?x=1", 200), refused);
    // Another path has its own.
    assert_eq!(ask(&plugin, &host, "/b", 200), None);
    host.advance(Duration::from_millis(2001));
    for _ in 0..3 {
        assert_eq!(ask(&plugin, &host, "/a", 200), None);
    }
    // It counts from the beginning: three more failures, two seconds.
    for _ in 0..3 {
        assert_eq!(ask(&plugin, &host, "/a", 500), None);
    }
    assert_eq!(ask(&plugin, &host, "/a", 200), refused);
    host.advance(Duration::from_millis(2001));
    // Failures after an opening lead to twice the time.
    for _ in 0..3 {
        assert_eq!(ask(&plugin, &host, "/a", 500), None);
    }
    host.advance(Duration::from_secs(4));
    assert_eq!(ask(&plugin, &host, "/a", 200), refused);
}

#[test]
fn the_answer_may_be_worded() {
    let (plugin, host) = open(json!({
        "break_response_code": 200,
        "break_response_body": "closed",
        "break_response_headers": [{"key": "X-From", "value": "$remote_addr"}],
    }));
    let expected = Response::text(StatusCode::OK, "closed")
        .with_header("x-from".parse().unwrap(), "192.0.2.1".parse().unwrap());
    assert_eq!(ask(&plugin, &host, "/a", 200), Some(expected));
}

#[test]
fn headers_without_body_are_not_sent() {
    let headers = json!([{"key": "X-From", "value": "a"}]);
    let (plugin, host) =
        open(json!({"break_response_code": 503, "break_response_headers": headers}));
    let expected = Response::page(StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ask(&plugin, &host, "/a", 200), Some(expected));
}

#[test]
fn statuses_and_numbers_are_as_configured() {
    let plugin = plugin::<ApiBreaker>(json!({
        "break_response_code": 599,
        "unhealthy": {"http_statuses": [503], "failures": 1},
        "healthy": {"http_statuses": [201], "successes": 1},
        "max_breaker_sec": 3,
    }));
    let host = FakeHost::shared();
    assert_eq!(ask(&plugin, &host, "/a", 500), None);
    assert_eq!(ask(&plugin, &host, "/a", 503), None);
    assert!(ask(&plugin, &host, "/a", 200).is_some());
    host.advance(Duration::from_millis(2001));
    assert_eq!(ask(&plugin, &host, "/a", 503), None);
    host.advance(Duration::from_millis(3001));
    assert_eq!(ask(&plugin, &host, "/a", 201), None);
    assert_eq!(ask(&plugin, &host, "/a", 503), None);
    host.advance(Duration::from_millis(2001));
    assert_eq!(ask(&plugin, &host, "/a", 200), None);
}

#[test]
fn what_the_gateway_answers_itself_does_not_count() {
    let (plugin, host) = (
        plugin::<ApiBreaker>(json!({"break_response_code": 502})),
        FakeHost::shared(),
    );
    for _ in 0..9 {
        let mut context = request("/a").context(Arc::clone(&host));
        assert!(answer(plugin.access(&mut context)).is_none());
        context.record.status = 500;
        plugin.log(&mut context);
    }
    assert_eq!(ask(&plugin, &host, "/a", 200), None);
}

#[test]
fn paths_on_which_nothing_failed_take_no_place() {
    let (plugin, host) = (
        plugin::<ApiBreaker>(json!({"break_response_code": 502})),
        FakeHost::shared(),
    );
    for number in 0..1000 {
        ask(&plugin, &host, &format!("/{number}"), 200);
    }
    assert_eq!(plugin.breakers.len(), 0);
    for status in [500, 200, 200, 200] {
        ask(&plugin, &host, "/a", status);
    }
    assert_eq!(plugin.breakers.len(), 0);
}

#[test]
fn what_is_out_of_range_is_refused() {
    let with = |extra: Value| {
        let mut config = json!({"break_response_code": 502});
        config
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        config
    };
    let text = refusal::<ApiBreaker>(with(
        json!({"break_response_headers": [{"key": "a b", "value": "c"}]}),
    ));
    assert_eq!(
        text,
        "invalid field character in header (break_response_headers[0])"
    );
    for config in [
        json!({}),
        json!({"break_response_code": 199}),
        json!({"break_response_code": 600}),
        with(json!({"max_breaker_sec": 2})),
        with(json!({"unhealthy": {"http_statuses": [499]}})),
        with(json!({"unhealthy": {"http_statuses": []}})),
        with(json!({"unhealthy": {"http_statuses": [500, 500]}})),
        with(json!({"unhealthy": {"failures": 0}})),
        with(json!({"healthy": {"http_statuses": [500]}})),
        with(json!({"healthy": {"successes": 0}})),
        with(json!({"break_response_headers": [{"key": "", "value": "c"}]})),
        with(json!({"break_response_headers": [{"key": "a"}]})),
    ] {
        assert!(
            !refusal::<ApiBreaker>(config.clone()).is_empty(),
            "{config}"
        );
    }
}
