//! The six plugins of the first data plane, through the Admin API and a real request.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

use http::Method;
use serde_json::json;
use weir_tests::Bench;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn key_auth_finds_the_consumer_and_hides_the_key() {
    let bench = Bench::start().await;
    let jack = json!({
        "username": "jack", "labels": {"custom_id": "c-7"}, "plugins": {"key-auth": {"key": "k1"}},
    });
    bench.put("consumers/jack", jack).await;
    bench
        .put(
            "consumers/jack/credentials/second",
            json!({"plugins": {"key-auth": {"key": "k2"}}}),
        )
        .await;
    bench
        .route("auth", json!({"key-auth": {"hide_credentials": true}}))
        .await;

    let answer = bench.get("/auth", &[]).await;
    assert_eq!(answer.status, 401);
    assert_eq!(
        answer.json(),
        json!({"message": "Missing API key in request"})
    );
    assert_eq!(answer.header("www-authenticate"), "apikey realm=\"key\"");
    let answer = bench.get("/auth", &[("apikey", "wrong")]).await;
    assert_eq!(answer.status, 401);
    assert_eq!(
        answer.json(),
        json!({"message": "Invalid API key in request"})
    );

    let forged = [("apikey", "k1"), ("x-credential-identifier", "forged")];
    let seen = bench.get("/auth", &forged).await.json();
    assert_eq!(seen["headers"]["x-consumer-username"], "jack");
    assert_eq!(seen["headers"]["x-consumer-custom-id"], "c-7");
    assert!(
        seen["headers"]["x-credential-identifier"].is_null(),
        "{seen}"
    );
    assert!(seen["headers"]["apikey"].is_null(), "{seen}");
    let seen = bench.get("/auth?apikey=k2&x=1", &[]).await.json();
    assert_eq!(seen["headers"]["x-credential-identifier"], "second");
    assert_eq!(seen["uri"], "/auth?x=1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_count_and_refuse() {
    let bench = Bench::start().await;
    let count =
        json!({"count": 2, "time_window": 60, "rejected_code": 429, "rejected_msg": "slow"});
    bench.route("count", json!({"limit-count": count})).await;
    for remaining in ["1", "0"] {
        let answer = bench.get("/count", &[]).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("x-ratelimit-limit"), "2");
        assert_eq!(answer.header("x-ratelimit-remaining"), remaining);
    }
    let answer = bench.get("/count", &[]).await;
    assert_eq!(answer.status, 429);
    assert_eq!(answer.json(), json!({"error_msg": "slow"}));
    assert_eq!(answer.header("x-ratelimit-remaining"), "0");
    // Another field of the route does not reset the counter; another plugin conf does.
    let mut route = json!({"uri": "/count*", "upstream_id": "u", "desc": "same counter",
        "plugins": {"limit-count": count}});
    bench.put("routes/count", route.clone()).await;
    assert_eq!(bench.get("/count", &[]).await.status, 429);
    route["plugins"]["limit-count"]["count"] = json!(3);
    bench.put("routes/count", route).await;
    assert_eq!(bench.get("/count", &[]).await.status, 200);

    bench
        .route(
            "req",
            json!({"limit-req": {"rate": 0.01, "burst": 0, "key": "remote_addr"}}),
        )
        .await;
    assert_eq!(bench.get("/req", &[]).await.status, 200);
    assert_eq!(bench.get("/req", &[]).await.status, 503);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_and_responses_are_rewritten() {
    let bench = Bench::start().await;
    let rewrite = json!({
        "regex_uri": ["^/in/(.*)/(.*)", "/out/$2/$1"], "host": "inner.test", "method": "POST",
        "headers": {"set": {"x-client": "$remote_addr"}, "add": {"x-part": "$1"}, "remove": ["x-gone"]},
    });
    bench.route("in", json!({"proxy-rewrite": rewrite})).await;
    let seen = bench.get("/in/a/b?q=1", &[("x-gone", "yes")]).await.json();
    assert_eq!(seen["uri"], "/out/b/a?q=1");
    assert_eq!(seen["method"], "POST");
    let headers = &seen["headers"];
    assert_eq!(headers["host"], "inner.test");
    assert_eq!(headers["x-client"], "127.0.0.1");
    assert_eq!(headers["x-part"], "a");
    assert!(headers["x-gone"].is_null());

    let response = json!({
        "status_code": 201, "headers": {"set": {"x-status": "$status"}, "remove": ["content-type"]},
        "filters": [{"regex": "origin", "scope": "global", "replace": "changed"}],
    });
    bench
        .route("answer", json!({"response-rewrite": response}))
        .await;
    let answer = bench.get("/answer", &[]).await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.header("content-type"), "");
    assert!(
        answer.text().contains("\"name\":\"changed\""),
        "{}",
        answer.text()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plugins_merge_and_prometheus_counts() {
    let bench = Bench::start().await;
    let set = |value: &str| json!({"response-rewrite": {"headers": {"set": {"x-from": value}}}});
    bench
        .put(
            "services/s",
            json!({"upstream_id": "u", "plugins": set("service")}),
        )
        .await;
    bench
        .put("plugin_configs/c", json!({"plugins": set("config")}))
        .await;
    bench
        .put("routes/m1", json!({"uri": "/m1", "service_id": "s"}))
        .await;
    bench
        .put(
            "routes/m2",
            json!({"uri": "/m2", "service_id": "s", "plugin_config_id": "c"}),
        )
        .await;
    let own =
        json!({"uri": "/m3", "service_id": "s", "plugin_config_id": "c", "plugins": set("route")});
    bench.put("routes/m3", own).await;
    for (path, from) in [("/m1", "service"), ("/m2", "config"), ("/m3", "route")] {
        assert_eq!(bench.get(path, &[]).await.header("x-from"), from, "{path}");
    }

    // Consumer over consumer group over route.
    let key = |name: &str| json!({"key-auth": {"key": name}});
    bench
        .put("consumer_groups/g", json!({"plugins": set("group")}))
        .await;
    let mut grouped = json!({"username": "grouped", "group_id": "g", "plugins": key("g1")});
    bench.put("consumers/grouped", grouped.clone()).await;
    grouped["username"] = json!("own");
    grouped["plugins"] = key("o1");
    grouped["plugins"]["response-rewrite"] = set("consumer")["response-rewrite"].clone();
    bench.put("consumers/own", grouped).await;
    let mut guarded = json!({"uri": "/m4", "service_id": "s", "plugins": set("route")});
    guarded["plugins"]["key-auth"] = json!({});
    bench.put("routes/m4", guarded).await;
    for (key, from) in [("g1", "group"), ("o1", "consumer")] {
        let answer = bench.get("/m4", &[("apikey", key)]).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("x-from")),
            (200, from)
        );
    }

    bench
        .put("global_rules/1", json!({"plugins": {"prometheus": {}}}))
        .await;
    bench.get("/m1", &[]).await;
    bench.get("/nowhere", &[]).await;
    let url = bench.agent.status_url("/apisix/prometheus/metrics");
    let line = weir_tests::wait::until(
        "the request is counted",
        weir_tests::cluster::PATIENCE,
        || async {
            let text = bench.agent.client.try_get(&url).await?.text();
            let line = text
                .lines()
                .find(|line| {
                    line.starts_with("apisix_http_status{") && line.contains("route=\"m1\"")
                })
                .map(str::to_owned);
            line.ok_or(text)
        },
    )
    .await;
    for label in [
        "code=\"200\"",
        "matched_uri=\"/m1\"",
        "service=\"s\"",
        "response_source=",
    ] {
        assert!(line.contains(label), "{label} in {line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proxy_mirror_sends_the_request_to_a_second_place_as_well() {
    let bench = Bench::start().await;
    let copies = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = format!("http://{}", copies.local_addr().unwrap());
    let mirror = json!({"host": host, "path": "/shadow", "path_concat_mode": "prefix"});
    bench
        .route("mirrored", json!({"proxy-mirror": mirror}))
        .await;
    let url = bench.agent.url("/mirrored?a=1");
    let headers = [("x-mine", "1")];
    let answer = bench
        .agent
        .client
        .send(Method::POST, &url, &headers, "hello")
        .await;
    assert_eq!(answer.status, 200);
    // The copy is never answered, and nobody waits for it.
    let read = async {
        use tokio::io::AsyncReadExt;
        let (mut copy, _) = copies.accept().await.unwrap();
        let mut text = String::new();
        while !text.ends_with("hello") {
            let mut part = [0; 1024];
            let read = copy.read(&mut part).await.unwrap();
            assert!(read > 0, "{text}");
            text.push_str(&String::from_utf8_lossy(&part[..read]));
        }
        text
    };
    let text = tokio::time::timeout(std::time::Duration::from_secs(20), read)
        .await
        .unwrap();
    assert!(
        text.starts_with("POST /shadow/mirrored?a=1 HTTP/1.1\r\n"),
        "{text}"
    );
    for line in ["x-mine: 1\r\n", "content-length: 5\r\n"] {
        assert!(text.contains(line), "{text}");
    }
}
