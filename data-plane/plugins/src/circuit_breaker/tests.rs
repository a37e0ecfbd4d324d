use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use weir_plugin_api::testkit::{FakeHost, request, response};
use weir_plugin_api::{Context, Plugin, Response, RouteInfo};

use super::{CircuitBreaker, Compiled};
use crate::tests::{answer, plugin, refusal};

/// A request on route 1; the answer of the plugin.
fn begin(plugin: &Compiled, host: &Arc<FakeHost>) -> Result<Context, Response> {
    let mut context = request("/").context(Arc::clone(host));
    context.route = Some(Arc::new(RouteInfo {
        id: "1".into(),
        ..RouteInfo::default()
    }));
    match answer(plugin.access(&mut context)) {
        None => Ok(context),
        Some(answer) => Err(answer),
    }
}

/// A try of `node`; whether another one shall be tried.
fn tried(plugin: &Compiled, context: &mut Context, node: &str) -> bool {
    context.record.node_authority = node.into();
    let answer = answer(plugin.before_proxy(context));
    assert_eq!(answer.is_some(), context.pass_over_node);
    !std::mem::take(&mut context.pass_over_node)
}

fn end(plugin: &Compiled, mut context: Context, statuses: &[u16], took_ms: u64) {
    context.record.upstream_statuses = statuses.to_vec();
    context.record.upstream = Duration::from_millis(took_ms);
    context.record.first_byte = Duration::from_millis(took_ms);
    context.response = Some(response(statuses.last().copied().unwrap_or(500), &[]));
    plugin.header_filter(&mut context);
    plugin.log(&mut context);
}

/// One request whose node answers `status`; whether it was let through.
fn one(plugin: &Compiled, host: &Arc<FakeHost>, status: u16) -> bool {
    let context = begin(plugin, host);
    context.is_ok_and(|context| {
        end(plugin, context, &[status], 10);
        true
    })
}

fn small(extra: Value) -> Compiled {
    let mut config = json!({"minimum_requests": 4, "half_open_requests": 1, "open_duration": 5});
    config
        .as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    plugin::<CircuitBreaker>(config)
}

#[test]
fn half_of_the_requests_open_it_unless_something_else_is_asked_for() {
    let (plugin, host) = (small(json!({})), FakeHost::shared());
    for status in [200, 503, 200, 502] {
        assert!(one(&plugin, &host, status));
    }
    let page = Response::page(StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(begin(&plugin, &host).err(), Some(page));
    host.advance(Duration::from_secs(5));
    assert!(one(&plugin, &host, 200));
    assert!(one(&plugin, &host, 200));
    let (plugin, host) = (
        small(json!({"consecutive_failures": 9})),
        FakeHost::shared(),
    );
    for status in [200, 503, 200, 502, 500, 500] {
        assert!(one(&plugin, &host, status));
    }
    assert!(one(&plugin, &host, 200));
}

#[test]
fn timeouts_and_slow_requests_open_it() {
    let slow = || small(json!({"slow_rate": 50, "slow_duration": 0.5, "failure_statuses": [500]}));
    let (plugin, host) = (slow(), FakeHost::shared());
    for took_ms in [10, 500, 10, 499] {
        end(&plugin, begin(&plugin, &host).unwrap(), &[200], took_ms);
    }
    assert!(one(&plugin, &host, 504));
    assert!(one(&plugin, &host, 504));
    assert!(!one(&plugin, &host, 200));
}

#[test]
fn what_the_gateway_answers_itself_does_not_count_and_gives_the_probe_back() {
    let (plugin, host) = (small(json!({})), FakeHost::shared());
    for _ in 0..9 {
        end(&plugin, begin(&plugin, &host).unwrap(), &[], 0);
    }
    for _ in 0..4 {
        assert!(one(&plugin, &host, 500));
    }
    host.advance(Duration::from_secs(5));
    end(&plugin, begin(&plugin, &host).unwrap(), &[], 0);
    // Nor does one whose client left before there was an answer.
    let mut left = begin(&plugin, &host).unwrap();
    plugin.log(&mut left);
    assert!(one(&plugin, &host, 200));
}

#[test]
fn the_answer_may_be_worded_and_statuses_chosen() {
    let plugin = small(json!({
        "failure_statuses": [429], "break_response_code": 200, "break_response_body": "{}",
        "break_response_headers": [{"key": "Retry-After", "value": "5"}],
    }));
    let host = FakeHost::shared();
    for status in [500, 500, 429, 429] {
        assert!(one(&plugin, &host, status));
    }
    let expected = Response::text(StatusCode::OK, "{}")
        .with_header("retry-after".parse().unwrap(), "5".parse().unwrap());
    assert_eq!(begin(&plugin, &host).err(), Some(expected));
}

#[test]
fn a_node_whose_circuit_is_open_is_passed_over() {
    let plugin = small(json!({"scope": "node", "consecutive_failures": 2}));
    let host = FakeHost::shared();
    for _ in 0..2 {
        let mut context = begin(&plugin, &host).unwrap();
        assert!(tried(&plugin, &mut context, "a:80"));
        assert!(tried(&plugin, &mut context, "b:80"));
        end(&plugin, context, &[502, 200], 10);
    }
    let mut context = begin(&plugin, &host).unwrap();
    assert!(!tried(&plugin, &mut context, "a:80"));
    assert!(tried(&plugin, &mut context, "b:80"));
    end(&plugin, context, &[200], 10);
    host.advance(Duration::from_secs(5));
    let mut context = begin(&plugin, &host).unwrap();
    assert!(tried(&plugin, &mut context, "a:80"));
    end(&plugin, context, &[200], 10);
}

#[test]
fn tries_that_were_not_announced_leave_all_circuits_as_they_are() {
    let plugin = small(json!({"scope": "node", "consecutive_failures": 1}));
    let host = FakeHost::shared();
    let mut context = begin(&plugin, &host).unwrap();
    assert!(tried(&plugin, &mut context, "a:80"));
    end(&plugin, context, &[502, 502], 10);
    let mut context = begin(&plugin, &host).unwrap();
    assert!(tried(&plugin, &mut context, "a:80"));
}

#[test]
fn what_is_out_of_range_is_refused() {
    for config in [
        json!({"scope": "service"}),
        json!({"window": 0}),
        json!({"window": 3601}),
        json!({"minimum_requests": 0}),
        json!({"error_rate": 0}),
        json!({"error_rate": 100.1}),
        json!({"consecutive_failures": 0}),
        json!({"slow_rate": 101}),
        json!({"slow_duration": 0}),
        json!({"failure_statuses": [399]}),
        json!({"failure_statuses": []}),
        json!({"open_duration": 0}),
        json!({"half_open_requests": 0}),
        json!({"break_response_code": 199}),
        json!({"break_response_body": "x", "break_response_headers": [{"key": "a b", "value": "c"}]}),
    ] {
        assert!(
            !refusal::<CircuitBreaker>(config.clone()).is_empty(),
            "{config}"
        );
    }
}
