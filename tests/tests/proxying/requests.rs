//! Requests: which route takes them, what the node sees, how they fail.

use http::Method;
use serde_json::json;
use tokio::net::TcpListener;

use super::setup::Bench;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn routes_match_by_host_path_method_and_priority() {
    let bench = Bench::start("m").await;
    let node = bench.origin.node();
    let route = |uri: &str, tag: &str, more: serde_json::Value| {
        let mut route = json!({
            "uri": uri, "upstream": {"nodes": {node.clone(): 1}},
            "plugins": {"response-rewrite": {"headers": {"set": {"x-route": tag}}}},
        });
        route
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        route
    };
    bench
        .put("routes/exact", route("/a/b", "exact", json!({})))
        .await;
    bench
        .put(
            "routes/prefix",
            route("/a/*", "prefix", json!({"priority": 9})),
        )
        .await;
    bench
        .put(
            "routes/short",
            route("/*", "short", json!({"priority": 99})),
        )
        .await;
    bench
        .put(
            "routes/post",
            route("/m", "post", json!({"methods": ["POST"]})),
        )
        .await;
    bench
        .put("routes/low", route("/p", "low", json!({"priority": 1})))
        .await;
    bench
        .put("routes/high", route("/p", "high", json!({"priority": 2})))
        .await;
    bench
        .put(
            "routes/host",
            route("/*", "host", json!({"host": "api.test"})),
        )
        .await;
    bench
        .put(
            "routes/wild",
            route("/*", "wild", json!({"host": "*.wild.test"})),
        )
        .await;
    bench
        .put(
            "routes/off",
            route("/off", "off", json!({"status": 0, "priority": 100})),
        )
        .await;
    bench
        .put(
            "routes/vars",
            route("/v", "vars", json!({"vars": [["arg_version", "==", "v2"]]})),
        )
        .await;

    let expected = [
        (Method::GET, "/a/b", "any.test", "exact"),
        (Method::GET, "/a/c", "any.test", "prefix"),
        (Method::GET, "/zzz", "any.test", "short"),
        (Method::POST, "/m", "any.test", "post"),
        (Method::GET, "/m", "any.test", "short"),
        (Method::GET, "/p", "any.test", "high"),
        (Method::GET, "/a/b", "api.test", "host"),
        (Method::GET, "/a/b", "x.y.wild.test", "wild"),
        (Method::GET, "/off", "any.test", "short"),
        (Method::GET, "/v?version=v2", "any.test", "vars"),
        (Method::GET, "/v?version=v1", "any.test", "short"),
        (Method::GET, "/x/../a/./b", "any.test", "exact"),
        (Method::GET, "//a//b", "any.test", "exact"),
        (Method::GET, "/%61/b", "any.test", "exact"),
    ];
    for (method, path, host, tag) in expected {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
            Content-Length: 0\r\n\r\n"
        );
        let answer = bench.raw(request.as_bytes()).await;
        assert!(
            answer.contains(&format!("x-route: {tag}\r\n")),
            "{method} {host}{path}: {answer}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_node_sees_a_request_made_anew() {
    let bench = Bench::start("seen").await;
    bench
        .put("upstreams/u", json!({"nodes": {bench.origin.node(): 1}}))
        .await;
    bench
        .put("routes/r", json!({"uri": "/*", "upstream_id": "u"}))
        .await;
    let headers = [
        ("connection", "keep-alive, x-private"),
        ("x-private", "for the gateway alone"),
        ("forwarded", "for=1.2.3.4"),
        ("x-forwarded-for", "9.9.9.9"),
        ("te", "gzip"),
        ("x-kept", "yes"),
    ];
    let answer = bench
        .send(Method::PUT, "/a%20b/c?x=%201&y", &headers, "body")
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let seen = answer.json();
    assert_eq!(seen["method"], "PUT");
    assert_eq!(seen["uri"], "/a%20b/c?x=%201&y");
    assert_eq!(seen["body"], "body");
    let headers = &seen["headers"];
    assert_eq!(headers["x-kept"], "yes");
    for gone in ["x-private", "forwarded", "connection", "te", "keep-alive"] {
        assert!(headers[gone].is_null(), "{gone} went to the node: {seen}");
    }
    assert_eq!(headers["host"], format!("{}:9080", bench.agent.ip));
    assert_eq!(headers["x-real-ip"], "127.0.0.1");
    assert_eq!(headers["x-forwarded-for"], "9.9.9.9, 127.0.0.1");
    assert_eq!(headers["x-forwarded-proto"], "http");
    assert_eq!(headers["x-forwarded-port"], "9080");

    let rewrite = json!({
        "nodes": {bench.origin.node(): 1}, "pass_host": "rewrite", "upstream_host": "inner.test",
    });
    bench.put("upstreams/u", rewrite).await;
    let seen = bench.send(Method::GET, "/", &[], "").await.json();
    assert_eq!(seen["headers"]["host"], "inner.test");
    bench
        .put(
            "upstreams/u",
            json!({"nodes": {bench.origin.node(): 1}, "pass_host": "node"}),
        )
        .await;
    let seen = bench.send(Method::GET, "/", &[], "").await.json();
    assert_eq!(seen["headers"]["host"], bench.origin.node());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_have_their_status() {
    let bench = Bench::start("ok").await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent_node = silent.local_addr().unwrap().to_string();
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dead_node = dead.local_addr().unwrap().to_string();
    drop(dead);
    let quick = json!({"connect": 1, "send": 1, "read": 0.2});
    let upstream = |node: &str| json!({"nodes": {node: 1}, "timeout": quick, "retries": 0});

    bench
        .put(
            "routes/none",
            json!({"uri": "/none", "upstream": {"nodes": {}}}),
        )
        .await;
    bench
        .put(
            "routes/dead",
            json!({"uri": "/dead", "upstream": upstream(&dead_node)}),
        )
        .await;
    bench
        .put(
            "routes/slow",
            json!({"uri": "/slow", "upstream": upstream(&silent_node)}),
        )
        .await;
    bench
        .put(
            "routes/lone",
            json!({"uri": "/lone", "plugins": {"limit-count": {
        "count": 1000, "time_window": 60}}}),
        )
        .await;
    let two = json!({"nodes": {dead_node.clone(): 1, bench.origin.node(): 1}});
    bench
        .put("routes/retry", json!({"uri": "/retry", "upstream": two}))
        .await;

    let not_found = bench.agent.get("/nowhere").await.unwrap();
    assert_eq!(not_found.status, 404);
    assert_eq!(
        not_found.json(),
        json!({"error_msg": "404 Route Not Found"})
    );
    for (path, status) in [
        ("/none", 503),
        ("/dead", 502),
        ("/slow", 504),
        ("/lone", 503),
    ] {
        let answer = bench.agent.get(path).await.unwrap();
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
    }
    assert_eq!(
        bench
            .agent
            .get("/dead")
            .await
            .unwrap()
            .header("x-apisix-upstream-status"),
        "502"
    );
    for _ in 0..6 {
        let answer = bench.agent.get("/retry").await.unwrap();
        assert_eq!(
            answer.status,
            200,
            "the other node is tried: {}",
            answer.text()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_has_one_reading_or_is_refused() {
    let bench = Bench::start("strict").await;
    bench
        .put(
            "routes/r",
            json!({"uri": "/*", "upstream": {"nodes": {bench.origin.node(): 1}}}),
        )
        .await;
    let hostile: &[&[u8]] = &[
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
    ];
    for request in hostile {
        let answer = bench.raw(request).await;
        let refused = answer.starts_with("HTTP/1.1 400") || answer.is_empty();
        assert!(refused, "{}: {answer}", String::from_utf8_lossy(request));
    }
}
