//! Health of nodes as the fleet reports it: Admin API and command line, against real clusters.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

use std::net::SocketAddr;

use http::Method;
use serde_json::{Value, json};
use weir_proto::sync::sync_service_client::SyncServiceClient;
use weir_proto::sync::{StreamRequest, Subscribe, stream_request};
use weir_tests::agent::revision;
use weir_tests::cli::{weir, weir_ok};
use weir_tests::cluster::PATIENCE;
use weir_tests::probed::{checked, plain};
use weir_tests::wait::until;
use weir_tests::{Agent, Answer, Cluster, Node, Probed};

async fn get(node: &Node, path: &str) -> Answer {
    let answer = node.try_admin(Method::GET, path, &Value::Null).await;
    answer.unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What each agent says about each node: `agent ip:port` and whether it is healthy.
fn seen(health: &Value) -> Vec<(String, bool)> {
    let agents = health["agents"].as_array().cloned().unwrap_or_default();
    let all = agents.iter().flat_map(|agent| {
        let nodes = agent["nodes"].as_array().cloned().unwrap_or_default();
        nodes.into_iter().map(move |node| {
            let (name, ip) = (agent["name"].as_str(), node["ip"].as_str());
            let place = format!("{} {}:{}", name.unwrap(), ip.unwrap(), node["port"]);
            (place, node["healthy"] == true)
        })
    });
    let mut all: Vec<_> = all.collect();
    all.sort();
    all
}

fn expected(agents: &[&str], nodes: &[(SocketAddr, bool)]) -> Vec<(String, bool)> {
    let all = agents.iter().flat_map(|agent| {
        let one = move |(node, healthy): &(SocketAddr, bool)| (format!("{agent} {node}"), *healthy);
        nodes.iter().map(one)
    });
    let mut all: Vec<_> = all.collect();
    all.sort();
    all
}

/// Waits until the node tells exactly this, and returns the whole.
async fn told(node: &Node, path: &str, wanted: &[(String, bool)]) -> Value {
    let what = format!("{path} at node {} tells {wanted:?}", node.id);
    until(&what, PATIENCE, || async {
        let answer = get(node, path).await;
        let health = answer.json();
        if seen(&health) == wanted {
            Ok(health)
        } else {
            Err(format!("{} {health}", answer.status))
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_control_node_tells_what_the_agents_of_all_see() {
    let mut cluster = Cluster::start(3).await;
    let first = Agent::start("edge-1", &cluster.nodes[0].grpc(), cluster.dir());
    let mut second = Agent::start("edge-2", &cluster.nodes[1].grpc(), cluster.dir());
    let (a, mut b) = (Probed::start().await, Probed::start().await);
    let answer = cluster.nodes[0]
        .put("upstreams/1", &checked(&[&a, &b]))
        .await;
    for agent in [&first, &second] {
        agent.ready().await;
        agent.applied(revision(&answer)).await;
    }
    let both = ["edge-1", "edge-2"];
    let path = "upstreams/1/health";
    let (at_a, at_b) = (a.address, b.address);
    let nodes = |of_b| [(at_a, true), (at_b, of_b)];
    let (up, down) = (
        expected(&both, &nodes(true)),
        expected(&both, &nodes(false)),
    );
    let health = told(&cluster.nodes[2], path, &up).await;
    assert_eq!(health["status"], "healthy");
    assert_eq!(health["agents"][0]["control_node"], 1);
    assert_eq!(health["agents"][1]["control_node"], 2);
    assert_eq!(health["agents"][1]["type"], "http");

    b.die().await;
    for node in &cluster.nodes {
        let health = told(node, path, &down).await;
        assert_eq!(health["status"], "degraded");
        for agent in health["agents"].as_array().unwrap() {
            let of_b = agent["nodes"].as_array().unwrap().iter();
            let of_b = of_b.clone().find(|node| node["healthy"] == false).unwrap();
            assert_eq!(of_b["status"], "unhealthy");
            assert!(of_b["since_ms"].as_u64() > Some(0), "{of_b}");
            let reason = of_b["reason"].as_str().unwrap();
            assert!(
                reason.starts_with("1 tcp failures in probes, last: connect: "),
                "{reason}"
            );
            assert!(
                of_b["last_error"].as_str().unwrap().contains("refused"),
                "{of_b}"
            );
            assert_eq!(of_b["counter"]["tcp_failure"], 1);
        }
        let summary = health["nodes"].as_array().unwrap().iter();
        let down = summary
            .clone()
            .find(|node| node["status"] == "unhealthy")
            .unwrap();
        assert_eq!(down["unhealthy_agents"], 2);
        assert_eq!(down["ip"], b.address.ip().to_string());
    }
    // The same through the plain GET and the command line.
    let whole = get(&cluster.nodes[2], "upstreams/1?health=true")
        .await
        .json();
    assert_eq!(seen(&whole["health"]), down);
    assert!(whole["value"]["nodes"].is_object());
    let without = get(&cluster.nodes[2], "upstreams/1").await.json();
    assert_eq!(without.get("health"), None);
    let server = cluster.nodes[2].grpc();
    let text = weir_ok(&server, &["health", "1"], "");
    let rows = text
        .lines()
        .filter(|line| line.contains("unhealthy"))
        .count();
    assert!(text.starts_with("degraded\n") && rows == 2, "{text}");
    assert!(text.contains("refused"), "{text}");
    let data = weir_ok(&server, &["health", "upstream", "1", "-o", "json"], "");
    assert_eq!(seen(&serde_json::from_str(&data).unwrap()), down);

    b.revive().await;
    let health = told(&cluster.nodes[0], path, &up).await;
    assert_eq!(health["status"], "healthy");

    // An agent that leaves takes with it what it saw.
    second.kill();
    told(
        &cluster.nodes[2],
        path,
        &expected(&["edge-1"], &nodes(true)),
    )
    .await;
    second.restart();
    told(&cluster.nodes[2], path, &up).await;

    // A member that does not answer is named: what its agents see is missing.
    cluster.nodes[1].kill();
    let health = told(
        &cluster.nodes[2],
        path,
        &expected(&["edge-1"], &nodes(true)),
    )
    .await;
    assert_eq!(health["unreachable_nodes"], json!([2]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_node_tells_of_each_kind_and_plainly_of_what_it_does_not_know() {
    let cluster = Cluster::start(1).await;
    let node = &cluster.nodes[0];
    let a = Probed::start().await;
    node.put("upstreams/1", &checked(&[&a])).await;
    node.put("upstreams/plain", &plain(&[&a])).await;
    let unknown = get(node, "upstreams/9/health").await;
    assert_eq!(unknown.status, 404);
    assert_eq!(unknown.json(), json!({"message": "Key not found"}));
    let wrong = get(node, "upstreams/1?health=yes").await;
    assert_eq!(wrong.status, 400, "{}", wrong.text());
    let alone = get(node, "upstreams/1/health").await.json();
    assert_eq!(
        alone["message"],
        "no agent has reported on it: none is connected"
    );
    assert_eq!(
        (&alone["agents"], &alone["status"]),
        (&json!([]), &json!("unknown"))
    );
    let keyless = weir_tests::Client::default()
        .get(&node.admin_url("upstreams/1/health"))
        .await;
    assert_eq!(keyless.status, 401);

    let agent = Agent::start("edge", &node.grpc(), cluster.dir());
    agent.ready().await;
    let up = expected(&["edge"], &[(a.address, true)]);
    told(node, "upstreams/1/health", &up).await;
    let unchecked = get(node, "upstreams/plain/health").await.json();
    assert_eq!(unchecked["message"], "the upstream has no health checks");
    assert_eq!(unchecked["checked"], false);

    // Inline upstreams are named by what they are written in; references are followed.
    node.put("services/s", &json!({"upstream": checked(&[&a])}))
        .await;
    for (id, spec) in [
        (
            "inline",
            json!({"uri": "/inline", "upstream": checked(&[&a])}),
        ),
        ("by_id", json!({"uri": "/by_id", "upstream_id": "1"})),
        (
            "in_service",
            json!({"uri": "/in_service", "service_id": "s"}),
        ),
    ] {
        node.put(&format!("routes/{id}"), &spec).await;
    }
    for (path, key) in [
        ("routes/inline", "/apisix/routes/inline"),
        ("routes/by_id", "/apisix/upstreams/1"),
        ("routes/in_service", "/apisix/services/s"),
        ("services/s", "/apisix/services/s"),
    ] {
        let health = told(node, &format!("{path}/health"), &up).await;
        assert_eq!(health["key"], key, "{path}");
        let data = weir_ok(&node.grpc(), &["health", path, "-o", "json"], "");
        let data: Value = serde_json::from_str(&data).unwrap();
        assert_eq!((seen(&data), &data["key"]), (up.clone(), &json!(key)));
    }
    let absent = weir(&node.grpc(), &["health", "nothing"], "");
    assert_eq!(absent.status.code(), Some(3), "{absent:?}");
    let no_nodes = weir(&node.grpc(), &["health", "consumer/x"], "");
    assert_eq!(no_nodes.status.code(), Some(2), "{no_nodes:?}");

    // No checks any more, nothing to tell.
    node.put("upstreams/1", &plain(&[&a])).await;
    told(node, "upstreams/1/health", &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ejections_slow_start_and_the_fallback_in_use_are_told() {
    let cluster = Cluster::start(1).await;
    let node = &cluster.nodes[0];
    let agent = Agent::start("edge", &node.grpc(), cluster.dir());
    let (a, spare) = (Probed::start().await, Probed::start().await);
    let mut upstream = plain(&[&a]);
    upstream["checks"] = json!({"passive": {"unhealthy": {"http_failures": 2}}});
    upstream["fallback_upstream_id"] = json!("spare");
    node.put("upstreams/spare", &plain(&[&spare])).await;
    node.put("upstreams/1", &upstream).await;
    let answer = node
        .put("routes/1", &json!({"uri": "/*", "upstream_id": "1"}))
        .await;
    agent.ready().await;
    agent.applied(revision(&answer)).await;
    a.requests_get(500);
    for _ in 0..2 {
        assert_eq!(agent.get("/x").await.unwrap().status, 500);
    }
    assert_eq!(
        agent.get("/x").await.unwrap().status,
        200,
        "of the fallback"
    );
    let down = expected(&["edge"], &[(a.address, false)]);
    let health = told(node, "upstreams/1/health", &down).await;
    let seen = &health["agents"][0];
    assert_eq!(seen["fallback_in_use"], "spare");
    assert_eq!(seen["all_unhealthy"], true);
    let (since, until) = (
        &seen["nodes"][0]["since_ms"],
        &seen["nodes"][0]["ejected_until_ms"],
    );
    let time = until.as_u64().unwrap() - since.as_u64().unwrap();
    assert!((27_000..=30_000).contains(&time), "{health}");
    let text = weir_ok(&node.grpc(), &["health", "1"], "");
    assert!(
        text.contains("ejected for ") && text.contains("requests go to upstream spare"),
        "{text}"
    );

    let mut slow = checked(&[&spare]);
    slow["slow_start"] = json!({"window": 600});
    node.put("upstreams/slow", &slow).await;
    let up = expected(&["edge"], &[(spare.address, true)]);
    let health = told(node, "upstreams/slow/health", &up).await;
    let until = &health["agents"][0]["nodes"][0]["slow_start_until_ms"];
    assert!(until.as_u64() > Some(0), "{health}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_of_an_earlier_release_says_nothing_and_is_counted() {
    let cluster = Cluster::start(1).await;
    let node = &cluster.nodes[0];
    let a = Probed::start().await;
    node.put("upstreams/1", &checked(&[&a])).await;
    let mut client = SyncServiceClient::connect(format!("http://{}", node.grpc()))
        .await
        .unwrap();
    let subscribe = stream_request::Message::Subscribe(Subscribe {
        name: "old".to_owned(),
        instance: "1".to_owned(),
        ..Subscribe::default()
    });
    let first = StreamRequest {
        message: Some(subscribe),
    };
    let (_open, requests) = tokio::sync::mpsc::channel::<StreamRequest>(1);
    let later = tokio_stream::wrappers::ReceiverStream::new(requests);
    let requests = futures_util::StreamExt::chain(tokio_stream::iter([first]), later);
    let _stream = client.stream(requests).await.unwrap();
    until("the agent is counted", PATIENCE, || async {
        let health = get(node, "upstreams/1/health").await.json();
        let expected = "none of the 1 connected agents has reported on it";
        (health["message"] == expected)
            .then_some(())
            .ok_or_else(|| health.to_string())
    })
    .await;
}
