use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use weir_model::{Key, Kind};
use weir_plugin_api::testkit::{FakeHost, request};
use weir_plugin_api::{
    CompileContext, Consumer, Context, Living, Plugin, PluginDef, RouteInfo, RunPolicy,
};

use super::{
    Attributes, Compiled, Connections, Discovered, NodeFacts, Pools, Prometheus,
    UpstreamConnections, UpstreamNode, render,
};
use crate::tests::{compile_in, on_route};

fn make(living: &Living, config: Value, metadata: Option<Value>) -> Compiled {
    let owner = Key::new(Kind::GlobalRule, "1");
    compile_in::<Prometheus>(config, &on_route(&owner, "a", living, metadata)).unwrap()
}

/// A finished request to route 7 of service 3.
fn exchange() -> Context {
    let mut context = request("/a").context(FakeHost::shared());
    context.route = Some(Arc::new(RouteInfo {
        id: "7".into(),
        name: "orders".into(),
        service_id: "3".into(),
        service_name: "shop".into(),
    }));
    context.matched_uri = Arc::from("/a/*");
    context.matched_host = Arc::from("*.example.com");
    context.consumer = Some(Arc::new(Consumer {
        name: "jack".into(),
        ..Consumer::default()
    }));
    context.record.status = 200;
    context.record.node = "10.0.0.1:8080".parse().ok();
    context.record.upstream_statuses = vec![200];
    context.record.total = Duration::from_millis(12);
    context.record.upstream = Duration::from_millis(9);
    context.record.request_bytes = 100;
    context.record.response_bytes = 3_000;
    context
}

fn page(living: &Living) -> String {
    render(living, &NodeFacts::default())
}

/// The value of the line that starts with `name{labels}`.
fn value(page: &str, line: &str) -> Option<String> {
    let found = page.lines().find_map(|other| other.strip_prefix(line))?;
    found.strip_prefix(' ').map(str::to_owned)
}

const STATUS: &str = "apisix_http_status{code=\"200\",route=\"7\",matched_uri=\"/a/*\",\
     matched_host=\"*.example.com\",service=\"3\",consumer=\"jack\",node=\"10.0.0.1\",\
     request_type=\"traditional_http\",request_llm_model=\"\",llm_model=\"\",\
     response_source=\"upstream\"}";

const TRAFFIC: &str = "route=\"7\",service=\"3\",consumer=\"jack\",node=\"10.0.0.1\",\
     request_type=\"traditional_http\",request_llm_model=\"\",llm_model=\"\"";

#[test]
fn a_request_counts_in_every_metric() {
    let living = Living::default();
    let plugin = make(&living, json!({}), None);
    plugin.log(&mut exchange());
    plugin.log(&mut exchange());
    let page = page(&living);
    let is = |line: &str, expected: &str| {
        assert_eq!(
            value(&page, line).as_deref(),
            Some(expected),
            "{line}\n{page}"
        );
    };
    is(STATUS, "2");
    is(
        &format!("apisix_bandwidth{{type=\"ingress\",{TRAFFIC}}}"),
        "200",
    );
    is(
        &format!("apisix_bandwidth{{type=\"egress\",{TRAFFIC}}}"),
        "6000",
    );
    let latency = |part: &str, kind: &str, le: &str| {
        format!("apisix_http_latency{part}{{type=\"{kind}\",{TRAFFIC}{le}}}")
    };
    is(&latency("_count", "request", ""), "2");
    is(&latency("_sum", "request", ""), "24");
    is(&latency("_bucket", "request", ",le=\"10\""), "0");
    is(&latency("_bucket", "request", ",le=\"20\""), "2");
    is(&latency("_bucket", "request", ",le=\"+Inf\""), "2");
    is(&latency("_bucket", "upstream", ",le=\"10\""), "2");
    is(&latency("_bucket", "apisix", ",le=\"2\""), "0");
    is(&latency("_bucket", "apisix", ",le=\"5\""), "2");
    assert!(page.contains("# TYPE apisix_http_status counter\n"));
    assert!(page.contains("# TYPE apisix_http_latency histogram\n"));
    assert!(page.contains("# TYPE apisix_bandwidth counter\n"));
}

#[test]
fn names_are_preferred_when_asked() {
    let living = Living::default();
    let plugin = make(&living, json!({"prefer_name": true}), None);
    plugin.log(&mut exchange());
    let mut nameless = exchange();
    nameless.route = Some(Arc::new(RouteInfo {
        id: "8".into(),
        ..RouteInfo::default()
    }));
    plugin.log(&mut nameless);
    let page = page(&living);
    assert!(
        page.contains("route=\"orders\",matched_uri=\"/a/*\""),
        "{page}"
    );
    assert!(page.contains("service=\"shop\""));
    assert!(page.contains("route=\"8\""));
}

#[test]
fn requests_without_route_and_node_have_empty_labels() {
    let living = Living::default();
    let plugin = make(&living, json!({}), None);
    let mut context = request("/none").context(FakeHost::shared());
    context.record.status = 404;
    context.record.from_gateway = true;
    plugin.log(&mut context);
    let page = page(&living);
    assert!(
        page.contains(
            "apisix_http_status{code=\"404\",route=\"\",matched_uri=\"\",matched_host=\"\",\
             service=\"\",consumer=\"\",node=\"\",request_type=\"traditional_http\",\
             request_llm_model=\"\",llm_model=\"\",response_source=\"apisix\"} 1"
        ),
        "{page}"
    );
    assert!(!page.contains("type=\"upstream\""), "{page}");
}

#[test]
fn a_failure_of_the_node_is_the_proxys_answer() {
    let living = Living::default();
    let plugin = make(&living, json!({}), None);
    let mut context = exchange();
    context.record.status = 502;
    context.record.from_gateway = true;
    plugin.log(&mut context);
    assert!(page(&living).contains("response_source=\"nginx\"} 1"));
}

#[test]
fn disabled_labels_stay_empty() {
    let living = Living::default();
    let metadata = json!({"disabled_labels": {
        "http_status": ["matched_uri", "node"],
        "bandwidth": ["consumer"],
    }});
    let plugin = make(&living, json!({}), Some(metadata));
    plugin.log(&mut exchange());
    let mut other_node = exchange();
    other_node.record.node = "10.0.0.2:8080".parse().ok();
    plugin.log(&mut other_node);
    let page = page(&living);
    let line = STATUS
        .replace("matched_uri=\"/a/*\"", "matched_uri=\"\"")
        .replace("node=\"10.0.0.1\"", "node=\"\"");
    assert_eq!(value(&page, &line).as_deref(), Some("2"), "{page}");
    let line = TRAFFIC.replace("consumer=\"jack\"", "consumer=\"\"");
    let line = format!("apisix_bandwidth{{type=\"ingress\",{line}}}");
    assert_eq!(value(&page, &line).as_deref(), Some("100"), "{page}");
    let line = format!("apisix_http_latency_count{{type=\"request\",{TRAFFIC}}}");
    assert_eq!(value(&page, &line).as_deref(), Some("1"), "{page}");
}

#[test]
fn the_settings_give_further_labels_and_buckets() {
    let mut attributes = Attributes::default();
    for (metric, name, variable) in [
        ("http_status", "one", "$http_x_one"),
        ("http_status", "two", "$http_x_two"),
        ("bandwidth", "tries", "$upstream_status"),
    ] {
        attributes.add_label(metric, name, variable).unwrap();
    }
    attributes.set_buckets(vec![0.5, 15.0]).unwrap();
    let living = Living::default();
    let owner = Key::new(Kind::GlobalRule, "1");
    let said = serde_json::to_value(&attributes).unwrap();
    let context = CompileContext {
        attributes: [("prometheus".to_owned(), said)].into_iter().collect(),
        ..on_route(&owner, "a", &living, None)
    };
    let plugin = compile_in::<Prometheus>(json!({}), &context).unwrap();
    for (one, two) in [("a", "b"), ("a", "b"), ("ab", ""), ("", "ab"), ("a\"", "b")] {
        let mut exchange = exchange();
        let headers = &mut exchange.request.headers;
        headers.insert("x-one", one.parse().unwrap());
        headers.insert("x-two", two.parse().unwrap());
        plugin.log(&mut exchange);
    }
    let page = page(&living);
    let own = STATUS.strip_suffix('}').unwrap();
    for (labels, count) in [
        ("one=\"a\",two=\"b\"", "2"),
        ("one=\"ab\",two=\"\"", "1"),
        ("one=\"\",two=\"ab\"", "1"),
        ("one=\"a\\\"\",two=\"b\"", "1"),
    ] {
        let found = value(&page, &format!("{own},{labels}}}"));
        assert_eq!(found.as_deref(), Some(count), "{labels}\n{page}");
    }
    let line = format!("apisix_bandwidth{{type=\"ingress\",{TRAFFIC},tries=\"200\"}}");
    assert_eq!(value(&page, &line).as_deref(), Some("500"), "{page}");
    let bucket = |bound: &str| {
        let line =
            format!("apisix_http_latency_bucket{{type=\"request\",{TRAFFIC},le=\"{bound}\"}}");
        value(&page, &line)
    };
    assert_eq!(bucket("0.5").as_deref(), Some("0"), "{page}");
    assert_eq!(bucket("15").as_deref(), Some("5"), "{page}");
    assert_eq!(bucket("60000"), None, "{page}");
}

#[test]
fn counters_survive_a_new_configuration() {
    let living = Living::default();
    let old = make(&living, json!({}), None);
    old.log(&mut exchange());
    let new = make(&living, json!({"prefer_name": false}), None);
    drop(old);
    living.sweep();
    new.log(&mut exchange());
    assert_eq!(value(&page(&living), STATUS).as_deref(), Some("2"));
}

#[test]
fn no_request_is_lost_between_threads() {
    let living = Living::default();
    let plugin = make(&living, json!({}), None);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..250 {
                    plugin.log(&mut exchange());
                }
            });
        }
    });
    assert_eq!(value(&page(&living), STATUS).as_deref(), Some("1000"));
}

#[test]
fn node_metrics_are_there_without_the_plugin() {
    let facts = NodeFacts {
        metric_prefix: "apisix_".into(),
        hostname: "gw-1".into(),
        version: "0.1.0".into(),
        requests: 12,
        connections: Connections {
            accepted: 5,
            handled: 5,
            active: 3,
            reading: 1,
            writing: 1,
            waiting: 1,
        },
        upstreams: vec![UpstreamNode {
            name: "/apisix/upstreams/1".into(),
            ip: "10.0.0.1".parse().unwrap(),
            port: 8080,
            healthy: false,
        }],
        config_reachable: true,
        modify_indexes: vec![("routes".into(), 7), ("max_modify_index".into(), 9)],
        ..NodeFacts::default()
    };
    let page = render(&Living::default(), &facts);
    for line in [
        "# TYPE apisix_http_requests_total gauge",
        "apisix_http_requests_total 12",
        "apisix_nginx_http_current_connections{state=\"accepted\"} 5",
        "apisix_nginx_http_current_connections{state=\"active\"} 3",
        "apisix_nginx_http_current_connections{state=\"writing\"} 1",
        "apisix_node_info{hostname=\"gw-1\",version=\"0.1.0\"} 1",
        "apisix_upstream_status{name=\"/apisix/upstreams/1\",ip=\"10.0.0.1\",port=\"8080\"} 0",
        "apisix_etcd_reachable 1",
        "apisix_etcd_modify_indexes{key=\"max_modify_index\"} 9",
        "weir_limit_keys_evicted_total 0",
    ] {
        assert!(page.lines().any(|other| other == line), "{line}\n{page}");
    }
    assert!(!page.contains("apisix_http_status"));
}

#[test]
fn the_prefix_of_the_names_can_be_chosen() {
    let living = Living::default();
    make(&living, json!({}), None).log(&mut exchange());
    let facts = NodeFacts {
        metric_prefix: "gw_".into(),
        ..NodeFacts::default()
    };
    let page = render(&living, &facts);
    assert!(!page.contains("apisix_"), "{page}");
    for name in [
        "gw_http_status{",
        "gw_http_latency_bucket{",
        "gw_bandwidth{",
        "gw_node_info{",
    ] {
        assert!(page.contains(&format!("\n{name}")), "{name}\n{page}");
    }
    assert!(page.contains("\nweir_prometheus_dropped_total 0\n"));
}

#[test]
fn the_routes_copy_runs_instead_of_the_global_one() {
    assert_eq!(Prometheus::RUN_POLICY, RunPolicy::PreferRoute);
}

#[test]
fn unknown_labels_are_refused() {
    let mut metadata = json!({"disabled_labels": {"http_status": ["code"]}});
    let schema = crate::Builtin.entry("prometheus").unwrap();
    let schema = schema.metadata_schema().unwrap();
    assert!(weir_model::schema::check(schema, &mut metadata).is_err());
}

#[test]
fn connections_to_nodes_and_reasons_are_told() {
    let facts = NodeFacts {
        pools: Pools {
            opened: 3,
            reused: 9,
            idle: 2,
            nodes: vec![UpstreamConnections {
                node: "10.0.0.1:80".into(),
                active: 1,
                idle: 2,
            }],
        },
        discovered: vec![Discovered {
            lookup: "consul/*/web".into(),
            endpoints: 3,
            changed: Duration::from_secs(61),
        }],
        failures: vec![("no_route", 4)],
        ..NodeFacts::default()
    };
    let page = render(&Living::default(), &facts);
    let value = |line: &str| value(&page, line);
    assert_eq!(value("weir_upstream_connects_total").as_deref(), Some("3"));
    assert_eq!(value("weir_upstream_reuses_total").as_deref(), Some("9"));
    assert_eq!(
        value("weir_upstream_idle_connections").as_deref(),
        Some("2")
    );
    for (line, expected) in [
        (
            "weir_upstream_connections{node=\"10.0.0.1:80\",state=\"active\"}",
            "1",
        ),
        (
            "weir_upstream_connections{node=\"10.0.0.1:80\",state=\"idle\"}",
            "2",
        ),
        ("weir_discovery_endpoints{lookup=\"consul/*/web\"}", "3"),
        (
            "weir_discovery_unchanged_seconds{lookup=\"consul/*/web\"}",
            "61",
        ),
    ] {
        assert_eq!(value(line).as_deref(), Some(expected), "{line}");
    }
    assert_eq!(
        value("weir_failures_total{reason=\"no_route\"}").as_deref(),
        Some("4")
    );
}
