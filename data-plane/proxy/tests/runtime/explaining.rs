//! What would become of a request, told by the code that serves it.

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};
use weir_plugin_api::Scheme;
use weir_proxy::router::RouterMode;
use weir_proxy::runtime::Runtime;
use weir_proxy::runtime::explain::{CLIENT, Explanation, Question, State};

use super::setup::runtime;

fn question(method: &str, url: &str, headers: &[(&str, &str)]) -> Question {
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Question {
        request: request.body(Bytes::new()).unwrap(),
        scheme: Scheme::Http,
        client: CLIENT,
        consumer: None,
    }
}

fn get(runtime: &Runtime, url: &str, headers: &[(&str, &str)]) -> Explanation {
    runtime.explain(&question("GET", url, headers))
}

fn route(more: Value) -> Value {
    let mut route = json!({"upstream": {"nodes": {"127.0.0.1:1980": 1}}});
    let fields = more.as_object().unwrap().clone();
    route.as_object_mut().unwrap().extend(fields);
    route
}

/// Key, condition, expectation and fact of each miss.
fn misses(explanation: &Explanation) -> Vec<[String; 4]> {
    let misses = explanation.misses.iter();
    misses
        .map(|miss| {
            [
                miss.key.to_string(),
                miss.condition.clone(),
                miss.expected.clone(),
                miss.actual.clone(),
            ]
        })
        .collect()
}

#[test]
fn the_first_condition_that_does_not_hold_is_named() {
    let routes = runtime(
        RouterMode::HostUri,
        &[
            (
                "routes/method",
                route(json!({"uri": "/a", "methods": ["POST", "PUT"], "priority": 9})),
            ),
            (
                "routes/client",
                route(json!({"uri": "/a", "remote_addr": "10.0.0.0/8", "priority": 8})),
            ),
            (
                "routes/header",
                route(json!({"uri": "/a", "headers": {"X-V": "~^v[23]$"}, "priority": 7})),
            ),
            (
                "routes/vars",
                route(json!({"uri": "/a", "priority": 6, "vars": [
                    ["arg_v", "==", "1"], ["OR", ["http_x", "==", "1"], ["http_y", "~~", "^2"]]
                ]})),
            ),
            ("routes/taken", route(json!({"uri": "/a"}))),
            ("routes/lower", route(json!({"uri": "/a", "priority": -1}))),
            ("routes/prefix", route(json!({"uri": "/*"}))),
            ("routes/off", route(json!({"uri": "/a", "status": 0}))),
            (
                "routes/other-host",
                route(json!({"uri": "/a", "host": "b.test"})),
            ),
            ("routes/slash", route(json!({"uri": "/A/"}))),
            (
                "routes/regex",
                route(json!({"uri": "/b/(.*)", "regex_uri": true})),
            ),
            ("routes/elsewhere", route(json!({"uri": "/elsewhere"}))),
        ],
    );
    let explanation = get(&routes, "http://a.test/a?v=1", &[("x-v", "v1")]);
    let taken = explanation.taken.as_ref().unwrap();
    assert_eq!((&*taken.route.info.id, &*taken.uri), ("taken", "/a"));
    let told = misses(&explanation);
    let told: Vec<[&str; 4]> = told
        .iter()
        .map(|miss| miss.each_ref().map(String::as_str))
        .collect();
    assert_eq!(
        told,
        [
            ["routes/method", "method", "POST, PUT", "GET"],
            ["routes/client", "remote_addr", "10.0.0.0/8", "192.0.2.1"],
            ["routes/header", "headers.x-v", "~^v[23]$", "v1"],
            [
                "routes/vars",
                "vars[1]",
                r#"["OR",["http_x","==","1"],["http_y","~~","^2"]]"#,
                ""
            ],
            [
                "routes/lower",
                "priority",
                "shadowed by routes/taken: priority 0 against -1",
                ""
            ],
            [
                "routes/prefix",
                "priority",
                "shadowed by routes/taken: /a comes before /*",
                ""
            ],
            ["routes/off", "status", "1", "0"],
            ["routes/other-host", "host", "b.test", "a.test"],
            ["routes/slash", "uri", "/A/", "/a"],
            ["routes/regex", "uri", "/b/(.*)", "/a"],
        ]
    );
    let without = get(&routes, "http://a.test/a?v=2", &[("x-v", "v2")]);
    assert_eq!(&*without.taken.as_ref().unwrap().route.info.id, "header");
    let vars = misses(&without)
        .into_iter()
        .find(|miss| miss[0] == "routes/vars");
    let shadowed = vars.unwrap();
    assert_eq!(
        shadowed[1..],
        ["vars[0]", r#"["arg_v","==","1"]"#, "arg_v is \"2\""]
    );
}

#[test]
fn plugins_are_listed_in_order_with_their_owner() {
    let limit = |count: u32| json!({"count": count, "time_window": 60, "rejected_code": 429});
    let routes = runtime(
        RouterMode::HostUri,
        &[
            (
                "services/s",
                json!({"plugins": {"limit-count": limit(1), "prometheus": {}}}),
            ),
            (
                "plugin_configs/p",
                json!({"plugins": {
                    "limit-count": limit(2),
                    "response-rewrite": {"status_code": 200, "_meta": {"disable": true}},
                }}),
            ),
            (
                "routes/r",
                json!({
                    "uri": "/a/*", "service_id": "s", "plugin_config_id": "p",
                    "upstream": {"nodes": {"127.0.0.1:1980": 1, "n.test:81": 2}, "pass_host": "node"},
                    "plugins": {
                        "key-auth": {},
                        "proxy-rewrite": {
                            "regex_uri": ["^/a/(.*)", "/b/$1"], "method": "POST",
                            "headers": {"set": {"X-Who": "$consumer_name"}},
                        },
                        "limit-req": {
                            "rate": 1, "burst": 1, "key": "remote_addr",
                            "_meta": {"filter": [["arg_limited", "==", "1"]]},
                        },
                    },
                }),
            ),
            (
                "consumers/jack",
                json!({"username": "jack", "plugins": {
                    "key-auth": {"key": "secret"}, "limit-count": limit(3),
                }}),
            ),
            ("global_rules/g", json!({"plugins": {"prometheus": {}}})),
        ],
    );
    let lines = |explanation: &Explanation| -> Vec<(&'static str, String, State)> {
        let lines = explanation.plugins.iter();
        lines
            .map(|line| (line.name, line.owner.to_string(), line.state.clone()))
            .collect()
    };
    let explanation = get(
        &routes,
        "http://a.test/a/x%20y?q=1",
        &[("apikey", "secret")],
    );
    assert_eq!(explanation.consumer.as_deref(), Some("jack"));
    let over = |key: &str| State::Overridden(key.parse().unwrap());
    assert_eq!(
        lines(&explanation),
        [
            ("key-auth", "routes/r".into(), State::Runs),
            ("proxy-rewrite", "routes/r".into(), State::Runs),
            ("limit-count", "consumers/jack".into(), State::Runs),
            ("limit-req", "routes/r".into(), State::Filtered),
            ("prometheus", "services/s".into(), State::Runs),
            (
                "limit-count",
                "plugin_configs/p".into(),
                over("consumers/jack")
            ),
            (
                "response-rewrite",
                "plugin_configs/p".into(),
                State::Disabled
            ),
            ("limit-count", "services/s".into(), over("consumers/jack")),
            ("prometheus", "global_rules/g".into(), State::Repeated),
        ]
    );
    let outgoing = explanation.outgoing.as_ref().unwrap();
    assert_eq!(
        (outgoing.method.as_str(), outgoing.uri.as_str()),
        ("POST", "/b/x%20y?q=1")
    );
    assert_eq!(outgoing.host, ["127.0.0.1:1980", "n.test:81"]);
    let header = |name: &str| {
        let mut headers = outgoing.headers.iter();
        headers
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    };
    assert_eq!(header("x-who"), Some("jack"));
    assert_eq!(header("x-forwarded-for"), Some("192.0.2.1"));
    assert_eq!(explanation.upstream.as_ref().unwrap().nodes().len(), 2);

    let nobody = get(&routes, "http://a.test/a/x", &[]);
    assert!(lines(&nobody).contains(&("key-auth", "routes/r".into(), State::Answers(401))));
    assert_eq!(nobody.notes, ["key-auth answers 401: no node is asked"]);
    assert!(nobody.outgoing.is_none());
    let mut assumed = question("GET", "http://a.test/a/x", &[]);
    assumed.consumer = Some("jack".into());
    let assumed = routes.explain(&assumed);
    assert_eq!(assumed.consumer.as_deref(), Some("jack"));
    assert!(lines(&assumed).contains(&("limit-count", "consumers/jack".into(), State::Runs)));
}

#[test]
fn what_cannot_be_served_has_its_reason() {
    let routes = runtime(
        RouterMode::HostUri,
        &[("routes/r", json!({"uri": "/a", "service_id": "gone"}))],
    );
    let reason = |url: &str| get(&routes, url, &[]).reason.unwrap().as_str();
    assert_eq!(reason("http://a.test/none"), "no_route");
    assert_eq!(reason("http://a.test/a"), "service_missing");
    assert_eq!(reason("http://a.test/%00"), "bad_request");
}

#[test]
fn an_upstream_without_nodes_is_shown_and_its_fallback_is_followed() {
    let empty = json!({"nodes": [], "fallback_upstream_id": "b"});
    let routes = runtime(
        RouterMode::HostUri,
        &[
            ("routes/r", json!({"uri": "/a", "upstream_id": "a"})),
            ("routes/n", json!({"uri": "/n", "upstream_id": "none"})),
            ("upstreams/a", empty),
            ("upstreams/b", json!({"nodes": {"127.0.0.1:2": 1}})),
            ("upstreams/none", json!({"nodes": []})),
        ],
    );
    let fallen = get(&routes, "http://a.test/a", &[]);
    let upstream = fallen.upstream.as_ref().unwrap();
    assert_eq!(upstream.key.to_string(), "upstreams/b");
    assert_eq!(
        fallen.notes,
        ["upstreams/a has no usable node: its fallback upstreams/b is taken"]
    );
    assert!(fallen.outgoing.is_some() && fallen.reason.is_none());
    let none = get(&routes, "http://a.test/n", &[]);
    assert_eq!(none.reason.unwrap().as_str(), "no_nodes");
    let upstream = none.upstream.as_ref().unwrap();
    assert_eq!(upstream.key.to_string(), "upstreams/none");
}

#[test]
fn the_body_counts_too() {
    let routes = runtime(
        RouterMode::HostUri,
        &[(
            "routes/r",
            route(json!({"uri": "/a", "vars": [["post_arg.model", "==", "m"]]})),
        )],
    );
    let mut asked = question(
        "POST",
        "http://a.test/a",
        &[("content-type", "application/json")],
    );
    assert!(routes.explain(&asked).taken.is_none());
    *asked.request.body_mut() = Bytes::from_static(b"{\"model\": \"m\"}");
    assert!(routes.explain(&asked).taken.is_some());
}
