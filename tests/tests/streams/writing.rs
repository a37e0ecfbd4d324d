//! What is refused at write.

use http::Method;
use serde_json::json;

use crate::bench::Bench;

#[tokio::test]
async fn stream_routes_that_could_not_work_are_refused() {
    let bench = Bench::start().await;
    let upstream = json!({"nodes": {"127.0.0.1:1": 1}});
    for (route, text) in [
        (
            json!({"upstream": upstream, "plugins": {"key-auth": {}}}),
            "unknown plugin [key-auth]: it does not run on streams, which take ip-restriction, limit-conn",
        ),
        (
            json!({"upstream": upstream, "protocol": {"name": "redis"}}),
            "protocol: expected none: protocols inside of streams (xRPC) are not supported",
        ),
        (
            json!({"upstream": upstream, "plugins": {"ip-restriction": {}}}),
            "failed to check the configuration of stream plugin [ip-restriction]",
        ),
        (
            json!({"upstream": upstream, "remote_addr": "nowhere"}),
            "remote_addr",
        ),
        (
            json!({"upstream_id": "none"}),
            "failed to fetch upstream info by upstream id [none]",
        ),
        (
            json!({"upstream": upstream, "server_port": 0}),
            "server_port",
        ),
        (json!({"upstream": upstream, "uri": "/"}), "uri"),
    ] {
        let path = "stream_routes/1";
        let answer = bench.cluster.nodes[0]
            .try_admin(Method::PUT, path, &route)
            .await
            .unwrap();
        assert_eq!(answer.status, 400, "{route}");
        assert!(answer.text().contains(text), "{route}: {}", answer.text());
    }
}
