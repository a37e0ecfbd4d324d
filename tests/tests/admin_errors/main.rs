//! The Admin API of the built binary: the bodies of objects.md section 2.1, and hostile requests.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "test code"
)]

mod cases;

use http::Method;
use serde_json::{Value, json};
use weir_tests::cluster::{KEY, VIEWER_KEY};
use weir_tests::{Client, Cluster, Node};

use cases::{Expected, ROUTE, cases};

async fn prepare(node: &Node) {
    node.put("upstreams/used", &json!({"nodes": {"127.0.0.1:1": 1}}))
        .await;
    node.put("services/used", &json!({"upstream_id": "used"}))
        .await;
    node.put("plugin_configs/used", &json!({"plugins": {}}))
        .await;
    node.put("consumer_groups/used", &json!({"plugins": {}}))
        .await;
    let grouped = json!({
        "uri": "/g", "upstream": {"nodes": {}},
        "plugins": {"limit-count": {"count": 1, "time_window": 60, "group": "shared"}},
    });
    node.put("routes/grouped", &grouped).await;
    let mut same = grouped.clone();
    same["uri"] = json!("/h");
    node.put("routes/grouped-too", &same).await;
    let member = json!({
        "username": "member", "group_id": "used", "plugins": {"key-auth": {"key": "taken"}},
    });
    node.put("consumers/member", &member).await;
    node.put(
        "routes/uses-upstream",
        &json!({"uri": "/u", "upstream_id": "used"}),
    )
    .await;
    node.put(
        "routes/uses-service",
        &json!({"uri": "/s", "service_id": "used"}),
    )
    .await;
    let config = json!({
        "uri": "/c", "plugin_config_id": "used", "upstream": {"nodes": {"127.0.0.1:1": 1}},
    });
    node.put("routes/uses-config", &config).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_error_has_the_body_that_clients_know() {
    let cluster = Cluster::start(1).await;
    let node = &cluster.nodes[0];
    prepare(node).await;
    let client = Client::default();
    let mut wrong = Vec::new();
    for case in cases() {
        let url = node.admin_url(case.path);
        let answer = client
            .send(case.method.clone(), &url, &[("x-api-key", KEY)], case.body)
            .await;
        let body = answer.text();
        let fits = match &case.expected {
            Expected::Json(expected) => {
                serde_json::from_str::<Value>(&body).is_ok_and(|got| got == *expected)
            }
            Expected::ErrorStarts(start) => serde_json::from_str::<Value>(&body)
                .is_ok_and(|got| got["error_msg"].as_str().unwrap_or("").starts_with(start)),
            Expected::Text(text) => body.trim_end() == *text,
        };
        if answer.status != case.status || !fits {
            wrong.push(format!(
                "{} {}: {} {body}",
                case.method, case.path, answer.status
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");

    let url = node.admin_url("routes");
    let refused = |text: &str| json!({"error_msg": "failed to check token", "description": text});
    let answer = client.get(&url).await;
    assert_eq!(
        (answer.status.as_u16(), answer.json()),
        (401, refused("missing apikey"))
    );
    let answer = client
        .send(Method::GET, &url, &[("x-api-key", "wrong")], "")
        .await;
    assert_eq!(
        (answer.status.as_u16(), answer.json()),
        (401, refused("wrong apikey"))
    );
    let viewer = [("x-api-key", VIEWER_KEY)];
    assert_eq!(
        client.send(Method::GET, &url, &viewer, "").await.status,
        200
    );
    let answer = client.send(Method::POST, &url, &viewer, ROUTE).await;
    assert_eq!(
        (answer.status.as_u16(), answer.json()),
        (401, refused("invalid method for role viewer"))
    );

    let large = format!("{{\"desc\":\"{}\"}}", "x".repeat(1_572_864));
    let url = node.admin_url("routes/1");
    let answer = client
        .send(Method::PUT, &url, &[("x-api-key", KEY)], large.clone())
        .await;
    let text = format!(
        "invalid request body: request size {} is greater than the maximum size 1572864 allowed",
        large.len()
    );
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains(&text), "{}", answer.text());
}

/// Small deterministic generator: the same requests in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).unwrap_or(0)
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        from.get(self.roll(from.len())).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_malformed_requests_cause_no_5xx_and_no_panic() {
    const KINDS: &[&str] = &[
        "routes",
        "services",
        "upstreams",
        "consumers",
        "ssls",
        "global_rules",
        "plugin_configs",
        "consumer_groups",
        "plugin_metadata",
        "stream_routes",
        "protos",
        "secrets",
        "registries",
        "schema",
        "plugins",
        "configs",
        "nothing",
        "",
    ];
    const TAILS: &[&str] = &[
        "",
        "/",
        "/1",
        "/1/2/3",
        "/%00",
        "/%ff%fe",
        "/..%2f..",
        "/1/plugins/limit-count/count",
        "?page=x&page_size=y",
        "?ttl=-1",
        "/a?force=maybe",
        "/validate/routes",
        "/é",
        "/1/upstream/nodes",
        "?filter=%ZZ",
        "?label=&name=[",
        "/consumers/x/credentials/1",
    ];
    const BODIES: &[&str] = &[
        "",
        "{",
        "null",
        "[]",
        "\"x\"",
        "1e999",
        "{\"uri\":",
        "{\"uri\":null}",
        "{\"uri\":{}}",
        "{\"id\":[],\"uri\":\"/a\"}",
        "{\"uri\":\"/a\",\"vars\":[[[[[[]]]]]]}",
        "{\"uri\":\"/a\",\"upstream\":{\"nodes\":{\"x\":-1}}}",
        "{\"uri\":\"/a\",\"upstream\":{\"nodes\":[{\"host\":\"\",\"port\":99999,\"weight\":1.5}]}}",
        "{\"username\":\"\\u0000\"}",
        "{\"plugins\":{\"key-auth\":[]}}",
        "{\"plugins\":{\"limit-count\":{\"count\":\"x\",\"time_window\":{}}}}",
        "{\"plugins\":{\"proxy-rewrite\":{\"regex_uri\":[\"(((((\",\"$1\"]}}}",
        "{\"plugins\":{\"response-rewrite\":{\"filters\":[{\"regex\":\"(?P<\",\"replace\":\"\"}]}}}",
        "{\"cert\":\"-----BEGIN\",\"key\":\"x\",\"snis\":[1]}",
        "{\"content\":\"syntax = ;;;\"}",
        "{\"uri\":\"/a\",\"uri\":\"/b\"}",
        "\u{0}\u{1}\u{2}",
        "{\"uri\":\"/\\ud800\"}",
    ];
    let methods = [
        Method::GET,
        Method::PUT,
        Method::POST,
        Method::PATCH,
        Method::DELETE,
        Method::HEAD,
        Method::OPTIONS,
        Method::from_bytes(b"BREW").unwrap(),
    ];
    let mut cluster = Cluster::start(1).await;
    let client = Client::default();
    let mut dice = Dice(0x5eed_0000_0000_0007);
    let mut sent = 0;
    let nested = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    while sent < 500 {
        let method = dice.pick(&methods).clone();
        let path = format!("{}{}", dice.pick(KINDS), dice.pick(TAILS));
        let body = match dice.roll(25) {
            0 => nested.clone(),
            _ => (*dice.pick(BODIES)).to_owned(),
        };
        let url = cluster.nodes[0].admin_url(&path.replace('é', "%C3%A9"));
        let answer = client
            .try_send(method.clone(), &url, &[("x-api-key", KEY)], body.clone())
            .await
            .unwrap_or_else(|error| panic!("{method} {path} {body:.80}: {error}"));
        assert!(
            answer.status.as_u16() < 500,
            "{method} {path} {body:.80}: {} {}",
            answer.status,
            answer.text()
        );
        sent += 1;
    }
    assert!(cluster.nodes[0].process().runs());
    let log = cluster.nodes[0].process().output();
    assert!(!log.contains("panicked"), "{log}");
    cluster.nodes[0].ready().await;
}
