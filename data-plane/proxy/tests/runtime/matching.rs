//! objects.md section 4: a table, and a naive matcher that must agree.

use proptest::prelude::*;
use serde_json::{Value, json};
use weir_plugin_api::testkit::request;
use weir_proxy::router::RouterMode;
use weir_proxy::runtime::Runtime;

use super::setup::runtime;

fn found(runtime: &Runtime, host: &str, target: &str) -> Option<String> {
    let mut head = request(target).head();
    head.host = host.to_owned();
    head.authority = host.to_owned();
    runtime
        .route(&head)
        .map(|found| found.route.info.id.to_string())
}

fn route(uri: &str, more: Value) -> Value {
    let mut route = json!({"uri": uri, "upstream": {"nodes": {"127.0.0.1:1": 1}}});
    route
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    route
}

#[test]
fn the_host_comes_first_then_exact_paths_then_the_deepest_prefix() {
    let routes = runtime(
        RouterMode::HostUri,
        &[
            ("routes/any-exact", route("/a/b", json!({"priority": 100}))),
            ("routes/host", route("/*", json!({"host": "x.a.test"}))),
            (
                "routes/wild",
                route("/a/*", json!({"host": "*.a.test", "priority": 50})),
            ),
            ("routes/wilder", route("/*", json!({"host": "*.test"}))),
            ("routes/prefix", route("/a/*", json!({"priority": -1}))),
            ("routes/short", route("/*", json!({"priority": 99}))),
            ("routes/text", route("/ab*", json!({}))),
        ],
    );
    let expected = [
        ("x.a.test", "/a/b", "host"),
        ("y.a.test", "/a/b", "wild"),
        ("z.y.a.test", "/a/b", "wild"),
        ("y.a.test", "/other", "wilder"),
        ("a.test", "/a/b", "wilder"),
        ("else", "/a/b", "any-exact"),
        ("else", "/a/c", "prefix"),
        ("else", "/a", "short"),
        ("else", "/abc", "text"),
        ("else", "/", "short"),
    ];
    for (host, path, id) in expected {
        assert_eq!(
            found(&routes, host, path).as_deref(),
            Some(id),
            "{host}{path}"
        );
    }
}

#[test]
fn a_candidate_that_does_not_fit_leaves_the_request_to_the_next() {
    let routes = runtime(
        RouterMode::HostUri,
        &[
            (
                "routes/vars",
                route("/p", json!({"vars": [["arg_v", "==", "2"]], "priority": 9})),
            ),
            (
                "routes/header",
                route("/p", json!({"headers": {"X-V": "~^v[3]$"}, "priority": 8})),
            ),
            (
                "routes/method",
                route("/p", json!({"methods": ["POST"], "priority": 7})),
            ),
            (
                "routes/address",
                route("/p", json!({"remote_addr": "10.0.0.0/8", "priority": 6})),
            ),
            (
                "routes/host",
                route("/q", json!({"host": "h.test", "methods": ["POST"]})),
            ),
            ("routes/rest", route("/*", json!({}))),
            ("routes/regex", {
                let mut regex = route("/v(?<n>\\d+)/.+", json!({"regex_uri": true}));
                regex["host"] = json!("r.test");
                regex
            }),
        ],
    );
    let id = |head: weir_plugin_api::RequestHead| {
        routes
            .route(&head)
            .map(|found| found.route.info.id.to_string())
            .unwrap()
    };
    assert_eq!(id(request("/p?v=2").head()), "vars");
    assert_eq!(id(request("/p").header("x-v", "v3").head()), "header");
    assert_eq!(
        id(request("/p").method(http::Method::POST).head()),
        "method"
    );
    assert_eq!(id(request("/p").client("10.1.2.3:5000").head()), "address");
    assert_eq!(id(request("/p").client("11.1.2.3:5000").head()), "rest");
    assert_eq!(
        found(&routes, "h.test", "/q").as_deref(),
        Some("rest"),
        "the next host"
    );
    let mut head = request("/v12/x").head();
    head.host = "r.test".to_owned();
    assert_eq!(id(head), "regex");
}

#[test]
fn parameters_are_special_in_their_mode_only() {
    let document = [(
        "routes/p",
        route(
            "/user/:id/posts/:post",
            json!({"plugins": {"limit-count": {
        "count": 1, "time_window": 1}}}),
        ),
    )];
    let with = runtime(RouterMode::UriWithParameter, &document);
    let found = with.route(&request("/user/7/posts/9").head()).unwrap();
    let value = |name: &str| {
        found
            .params
            .iter()
            .find(|(key, _)| **key == *name)
            .map(|(_, value)| value.as_str())
    };
    assert_eq!(
        (value("id"), value("post"), value("1")),
        (Some("7"), Some("9"), Some("7"))
    );
    assert!(with.route(&request("/user/7/8/posts/9").head()).is_none());
    let without = runtime(RouterMode::Uri, &document);
    assert!(without.route(&request("/user/7/posts/9").head()).is_none());
    assert!(
        without
            .route(&request("/user/:id/posts/:post").head())
            .is_some()
    );
}

/// What section 4 says, one route after the other.
fn naive(routes: &[(String, Option<String>, i64)], host: &str, path: &str) -> Option<usize> {
    let host_rank = |pattern: &Option<String>| match pattern.as_deref() {
        None => Some(0),
        Some(exact) if exact == host => Some(usize::MAX),
        Some(pattern) => {
            let suffix = pattern.strip_prefix('*')?;
            (host.len() > suffix.len() && host.ends_with(suffix)).then_some(suffix.len())
        }
    };
    let path_rank = |pattern: &str| match pattern.strip_suffix('*') {
        None => (pattern == path).then_some(usize::MAX),
        Some(prefix) => path.starts_with(prefix).then_some(prefix.len()),
    };
    let mut best: Option<(usize, (usize, usize, i64, usize))> = None;
    for (index, (uri, pattern, priority)) in routes.iter().enumerate() {
        let (Some(by_host), Some(by_path)) = (host_rank(pattern), path_rank(uri)) else {
            continue;
        };
        let rank = (by_host, by_path, *priority, uri.len());
        if best.is_none_or(|(_, known)| rank > known) {
            best = Some((index, rank));
        }
    }
    best.map(|(index, _)| index)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn the_index_agrees_with_a_naive_matcher(
        routes in prop::collection::vec(
            (
                "(/[ab]{1,2}){1,3}(/?\\*)?",
                prop::option::of("(\\*\\.|x\\.)?[ab]\\.test"),
                -2..3_i64,
            ),
            1..14,
        ),
        hosts in prop::collection::vec("(x\\.)?[ab]\\.test", 1..4),
        paths in prop::collection::vec("(/[ab]{1,2}){1,4}", 1..12),
    ) {
        let documents: Vec<(String, Value)> = routes
            .iter()
            .enumerate()
            .map(|(index, (uri, host, priority))| {
                let mut more = json!({"priority": priority});
                if let Some(host) = host {
                    more["host"] = json!(host);
                }
                (format!("routes/{index:03}"), route(uri, more))
            })
            .collect();
        let borrowed: Vec<(&str, Value)> =
            documents.iter().map(|(key, spec)| (key.as_str(), spec.clone())).collect();
        let index = runtime(RouterMode::HostUri, &borrowed);
        for host in &hosts {
            for path in &paths {
                let expected = naive(&routes, host, path).map(|at| format!("{at:03}"));
                prop_assert_eq!(found(&index, host, path), expected, "{}{}", host, path);
            }
        }
    }
}
