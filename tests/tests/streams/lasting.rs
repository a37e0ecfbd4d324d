//! Open connections and changes of the configuration.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use crate::bench::{Bench, PLAIN, Redis, SECOND};

async fn ping(stream: &mut TcpStream) {
    stream.write_all(b"PING\r\n").await.unwrap();
    let mut answer = [0; 7];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"+PONG\r\n");
}

#[tokio::test]
async fn changes_close_no_connection() {
    let bench = Bench::start().await;
    let redis = Redis::start(&bench).await;
    bench.put("upstreams/redis", &redis.upstream()).await;
    bench
        .put(
            "stream_routes/1",
            &json!({"server_port": PLAIN, "upstream_id": "redis"}),
        )
        .await;
    let mut open = Vec::new();
    for _ in 0..50 {
        open.push(bench.connect(PLAIN).await);
    }
    for stream in &mut open {
        ping(stream).await;
    }
    for round in 0..30 {
        let other = json!({"nodes": {format!("127.0.0.1:{}", 1000 + round): 1}});
        match round % 3 {
            0 => bench.put("upstreams/redis", &other).await,
            1 => {
                bench
                    .put(
                        "stream_routes/1",
                        &json!({"server_port": SECOND, "upstream": other}),
                    )
                    .await
            }
            _ => {
                bench
                    .put(
                        "stream_routes/2",
                        &json!({"server_port": PLAIN, "upstream": redis.upstream()}),
                    )
                    .await
            }
        }
        for stream in &mut open {
            ping(stream).await;
        }
    }
    let mut fresh = bench.connect(PLAIN).await;
    ping(&mut fresh).await;
    drop(open);
    let lines = bench.streams(50).await;
    let failed: Vec<_> = lines.iter().filter(|line| line["status"] != 200).collect();
    assert!(failed.is_empty(), "{failed:?}");
}

#[tokio::test]
async fn status_and_metrics_tell_of_streams() {
    let bench = Bench::start().await;
    let status = bench.agent.status().await.unwrap();
    let listeners = &status["listeners"];
    assert_eq!(listeners["stream_tcp"][0], format!("{}:{PLAIN}", bench.ip));
    assert_eq!(listeners["stream_udp"][0], format!("{}:{PLAIN}", bench.ip));
    let node = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let upstream = json!({"nodes": {node.local_addr().unwrap().to_string(): 1}});
    bench
        .put("stream_routes/1", &json!({ "upstream": upstream }))
        .await;
    let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    client.connect((bench.ip, PLAIN)).await.unwrap();
    client.send(b"question").await.unwrap();
    let mut buffer = [0; 100];
    let (size, from) = node.recv_from(&mut buffer).await.unwrap();
    assert_eq!(&buffer[..size], b"question");
    node.send_to(b"answer", from).await.unwrap();
    let size = client.recv(&mut buffer).await.unwrap();
    assert_eq!(&buffer[..size], b"answer");
    let metrics = bench
        .agent
        .client
        .get(&bench.agent.status_url("/metrics"))
        .await
        .text();
    for line in [
        "weir_proxy_streams 1",
        "weir_proxy_datagrams_received_total 1",
        "weir_proxy_stream_route_streams{route=\"1\"} 1",
    ] {
        assert!(
            metrics.lines().any(|known| known == line),
            "{line} in {metrics}"
        );
    }
}
