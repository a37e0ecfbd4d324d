use std::sync::Arc;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use weir_plugin_api::testkit::{FakeHost, request};
use weir_plugin_api::{Context, NodeAddress, RouteInfo};

use super::{Config, DATAGRAM, Datadog, Lines, Metadata, datagrams};
use crate::tests::{plugin, refusal};

fn finished() -> Context {
    let mut context = request("/a?x=1")
        .method(Method::POST)
        .context(FakeHost::shared());
    context.route = Some(Arc::new(RouteInfo {
        id: "1".into(),
        name: "first, of|all".into(),
        service_id: "s".into(),
        service_name: "".into(),
    }));
    context.matched_uri = "/a*".into();
    context.record.status = 201;
    context.record.total = Duration::from_micros(30_100);
    context.record.upstream = Duration::from_micros(20_000);
    context.record.node = "127.0.0.1:1980".parse::<NodeAddress>().ok();
    context.record.request_bytes = 70;
    context.record.response_bytes = 90;
    context
}

fn lines(config: Value, metadata: Value, context: &Context) -> Vec<String> {
    let config: Config = serde_json::from_value(config).unwrap();
    let metadata: Metadata = serde_json::from_value(metadata).unwrap();
    let text = Lines::new(&config, &metadata).of(context);
    text.lines().map(ToOwned::to_owned).collect()
}

#[test]
fn a_request_is_six_metrics_with_tags() {
    let tags = "|#source:apisix,route_name:first_ of_all,service_name:s,balancer_ip:127.0.0.1,\
        response_status:201,response_status_class:2xx,scheme:http";
    let expected = [
        "apisix.request.counter:1|c",
        "apisix.request.latency:30.1|h",
        "apisix.upstream.latency:20|h",
        "apisix.apisix.latency:10.1|h",
        "apisix.ingress.size:70|ms",
        "apisix.egress.size:90|ms",
    ];
    let expected: Vec<_> = expected
        .iter()
        .map(|line| format!("{line}{tags}"))
        .collect();
    assert_eq!(lines(json!({}), json!({}), &finished()), expected);
}

#[test]
fn tags_and_names_are_chosen() {
    let mut context = finished();
    context.record.node = None;
    let config = json!({"prefer_name": false, "include_path": true, "include_method": true,
        "constant_tags": ["team:a"]});
    let lines = lines(
        config,
        json!({"namespace": "", "constant_tags": []}),
        &context,
    );
    assert_eq!(lines.len(), 5);
    assert_eq!(
        lines[0],
        "request.counter:1|c|#team:a,route_name:1,service_name:s,response_status:201,\
         response_status_class:2xx,scheme:http,path:/a*,method:POST"
    );
}

#[test]
fn datagrams_are_filled_and_not_overfull() {
    let line = "x".repeat(500);
    let sizes = |batch: &[String]| -> Vec<(usize, usize)> {
        let datagrams = datagrams(batch).into_iter();
        datagrams
            .map(|(bytes, complete)| (bytes.len(), complete))
            .collect()
    };
    assert_eq!(
        sizes(&[format!("{line}\n{line}\n"), line.clone()]),
        [(1001, 1), (500, 2)]
    );
    // The second entry is complete with the second datagram.
    assert_eq!(
        sizes(&[line.clone(), format!("{line}\n{line}\n")]),
        [(1001, 1), (500, 2)]
    );
    assert_eq!(
        sizes(&["y".repeat(DATAGRAM + 1), line]),
        [(DATAGRAM + 1, 1), (500, 2)]
    );
    assert!(datagrams(&[]).is_empty());
}

#[test]
fn wrong_configurations_are_refused() {
    plugin::<Datadog>(json!({"constant_tags": ["a:b"]}));
    for tag in ["", "1a", "a:", "a b"] {
        refusal::<Datadog>(json!({"constant_tags": [tag]}));
    }
}
