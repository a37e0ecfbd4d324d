//! Plugins on stream routes.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, UdpSocket};
use weir_tests::cluster::PATIENCE;
use weir_tests::wait::until;

use crate::bench::{Bench, PLAIN, SECOND};

/// A node that tells its name to whoever connects, or asks over UDP, and no more.
async fn teller(name: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let socket = UdpSocket::bind(address).await.unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(name.as_bytes()).await;
        }
    });
    tokio::spawn(async move {
        let mut buffer = [0; 64];
        while let Ok((_, from)) = socket.recv_from(&mut buffer).await {
            let _ = socket.send_to(name.as_bytes(), from).await;
        }
    });
    address
}

/// Who answers on a port; empty when the connection is closed.
async fn who(bench: &Bench, port: u16) -> String {
    let mut answer = String::new();
    let mut stream = bench.connect(port).await;
    // A connection that is reset has no answer.
    let _ = stream.read_to_string(&mut answer).await;
    answer
}

fn to(address: SocketAddr) -> Value {
    json!({"nodes": {address.to_string(): 1}})
}

#[tokio::test]
async fn connections_and_sessions_are_shared_out_by_weight() {
    let bench = Bench::start().await;
    let (old, new) = (teller("old").await, teller("new").await);
    bench.put("upstreams/new", &to(new)).await;
    let split = json!({"rules": [{"weighted_upstreams": [
        {"upstream_id": "new", "weight": 1}, {"weight": 3}
    ]}]});
    let route =
        json!({"server_port": PLAIN, "upstream": to(old), "plugins": {"traffic-split": split}});
    bench.put("stream_routes/1", &route).await;
    let mut seen = Vec::new();
    for _ in 0..12 {
        seen.push(who(&bench, PLAIN).await);
    }
    seen.sort();
    assert_eq!(seen, [["new"; 3].as_slice(), &["old"; 9]].concat());
    let mut seen = Vec::new();
    for _ in 0..4 {
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        client.connect((bench.ip, PLAIN)).await.unwrap();
        let mut answers = Vec::new();
        for _ in 0..3 {
            client.send(b"who").await.unwrap();
            let mut buffer = [0; 16];
            let size = client.recv(&mut buffer).await.unwrap();
            answers.push(String::from_utf8(buffer[..size].to_vec()).unwrap());
        }
        answers.dedup();
        assert_eq!(answers.len(), 1, "a session stays: {answers:?}");
        seen.append(&mut answers);
    }
    seen.sort();
    assert_eq!(seen, ["new", "old", "old", "old"]);
}

#[tokio::test]
async fn a_rule_chooses_for_those_that_match() {
    let bench = Bench::start().await;
    let (usual, other) = (teller("usual").await, teller("other").await);
    let split = json!({"rules": [{
        "match": [{"vars": [["server_port", "==", SECOND]]}],
        "weighted_upstreams": [{"upstream": to(other)}]
    }]});
    let service = json!({"upstream": to(usual), "plugins": {"traffic-split": split}});
    bench.put("services/1", &service).await;
    bench
        .put("stream_routes/1", &json!({"service_id": "1"}))
        .await;
    assert_eq!(who(&bench, PLAIN).await, "usual");
    assert_eq!(who(&bench, SECOND).await, "other");
}

#[tokio::test]
async fn a_stream_to_an_upstream_that_is_gone_ends() {
    let bench = Bench::start().await;
    let node = teller("node").await;
    bench.put("upstreams/new", &to(node)).await;
    let split = json!({"rules": [{"weighted_upstreams": [{"upstream_id": "new"}]}]});
    let route = json!({"upstream": to(node), "plugins": {"traffic-split": split}});
    bench.put("stream_routes/1", &route).await;
    // Stream routes keep no upstream from being deleted, as in APISIX.
    let delete =
        bench.cluster.nodes[0].try_admin(http::Method::DELETE, "upstreams/new", &Value::Null);
    let deleted = delete.await.unwrap();
    assert_eq!(deleted.status, 200, "{}", deleted.text());
    bench
        .agent
        .applied(weir_tests::agent::revision(&deleted))
        .await;
    assert_eq!(who(&bench, PLAIN).await, "");
    assert_eq!(bench.streams(1).await[0]["status"], 500);
}

#[tokio::test]
async fn prometheus_counts_streams() {
    let bench = Bench::start().await;
    let node = teller("node").await;
    let plugins = json!({"prometheus": {"prefer_name": true}});
    let route =
        json!({"name": "db", "server_port": PLAIN, "upstream": to(node), "plugins": plugins});
    bench.put("stream_routes/1", &route).await;
    for _ in 0..3 {
        assert_eq!(who(&bench, PLAIN).await, "node");
    }
    let listener = format!("listen_addr=\"{}:{PLAIN}\"", bench.ip);
    let url = bench.agent.status_url("/apisix/prometheus/metrics");
    for line in [
        "apisix_stream_connection_total{route=\"db\"} 3".to_owned(),
        format!("apisix_stream_active_connections{{{listener}}} 0"),
        format!("apisix_stream_status{{code=\"200\",{listener},node=\"{node}\"}} 3"),
        format!("apisix_stream_bandwidth{{type=\"egress\",side=\"downstream\",{listener}}} 12"),
    ] {
        until(&line, PATIENCE, || async {
            let page = bench.agent.client.try_get(&url).await?.text();
            if page.lines().any(|known| known == line) {
                Ok(())
            } else {
                Err(page)
            }
        })
        .await;
    }
}

#[tokio::test]
async fn syslog_tells_of_streams_that_are_over() {
    let bench = Bench::start().await;
    let (node, server) = (
        teller("node").await,
        TcpListener::bind("127.0.0.1:0").await.unwrap(),
    );
    let port = server.local_addr().unwrap().port();
    let place = json!({"host": "127.0.0.1", "port": port, "flush_limit": 1});
    let route = |config: &Value| json!({"server_port": PLAIN, "upstream": to(node), "plugins": {"syslog": config}});
    bench.put("stream_routes/1", &route(&place)).await;
    assert_eq!(who(&bench, PLAIN).await, "node");
    let (stream, _) = server.accept().await.unwrap();
    let mut lines = BufReader::new(stream).lines();
    let mut next = async || {
        let line = lines.next_line().await.unwrap().unwrap();
        let (head, entry) = line.split_once(" - - ").unwrap();
        assert!(head.starts_with("<46>1 "), "{line}");
        serde_json::from_str::<Value>(entry).unwrap()
    };
    let entry = next().await;
    for (field, value) in [
        ("protocol", json!("TCP")),
        ("client_ip", json!("127.0.0.1")),
        ("server_addr", json!(format!("{}:{PLAIN}", bench.ip))),
        ("upstream", json!(node.to_string())),
        ("status", json!(200)),
        ("sent", json!(4)),
        ("route_id", json!("1")),
    ] {
        assert_eq!(entry[field], value, "{field}: {entry}");
    }

    // The format of the metadata, then one of its own; both count for connections that begin then.
    let metadata = json!({"log_format": {"from": "metadata", "port": "$server_port"}});
    bench.put("plugin_metadata/syslog", &metadata).await;
    assert_eq!(who(&bench, PLAIN).await, "node");
    let expected = json!({"from": "metadata", "port": PLAIN.to_string(), "route_id": "1"});
    assert_eq!(next().await, expected);
    let mut own = place.clone();
    own["log_format"] = json!({"who": "$remote_addr", "protocol": "$protocol"});
    bench.put("stream_routes/1", &route(&own)).await;
    assert_eq!(who(&bench, PLAIN).await, "node");
    let expected = json!({"who": "127.0.0.1", "protocol": "TCP", "route_id": "1"});
    assert_eq!(next().await, expected);
}
