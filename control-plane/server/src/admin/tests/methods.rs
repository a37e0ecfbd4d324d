//! The table of methods, and ids of the nested collections.

use http::Method;
use serde_json::json;

use super::{Node, ROUTE};
use crate::Options;

#[tokio::test]
async fn kinds_refuse_the_methods_of_the_table() {
    let node = Node::start().await;
    let cases = [
        (Method::POST, "/consumers", "consumer"),
        (Method::PATCH, "/consumers/a", "consumer"),
        (Method::POST, "/consumers/a/credentials", "credential"),
        (Method::PATCH, "/consumers/a/credentials/1", "credential"),
        (Method::POST, "/consumer_groups", "consumer group"),
        (Method::POST, "/plugin_configs", "plugin config"),
        (Method::POST, "/global_rules", "global rule"),
        (Method::PATCH, "/protos/1", "proto"),
        (Method::PATCH, "/stream_routes/1", "stream route"),
        (Method::POST, "/plugin_metadata", "plugin_metadata"),
        (
            Method::PATCH,
            "/plugin_metadata/key-auth",
            "plugin_metadata",
        ),
        (Method::POST, "/secrets/vault", "secret"),
    ];
    for (method, path, kind) in cases {
        let text = format!("not supported `{method}` method for {kind}");
        node.expect(method, path, "{}", 405, &json!({"error_msg": text}))
            .await;
    }
    let not_found = json!({"error_msg": "not found"});
    for path in ["/schema/route", "/plugins/key-auth", "/routes/1/uri"] {
        node.expect(Method::PUT, path, "{}", 404, &not_found).await;
    }
    for (method, path) in [
        (Method::HEAD, "/routes"),
        (Method::GET, ""),
        (Method::TRACE, "/routes"),
    ] {
        let reply = node.send(method.clone(), path, "").await;
        assert_eq!(reply.status, 404, "{method} {path}");
        assert_eq!(reply.header("content-type"), "text/html");
    }
}

#[tokio::test]
async fn reload_takes_put_only() {
    let node = Node::start().await;
    let reply = node.send(Method::PUT, "/plugins/reload", "").await;
    assert_eq!((reply.status.as_u16(), reply.text.as_str()), (200, "done"));
    let text = "please use PUT method to reload the plugins, GET method is not allowed.";
    let refused = json!({"error_msg": text});
    node.expect(Method::GET, "/plugins/reload", "", 405, &refused)
        .await;
}

#[tokio::test]
async fn every_kind_is_written_read_listed_and_deleted() {
    let node = Node::start().await;
    node.put("/services/s", "{}").await;
    node.put("/consumers/jack", "{\"username\":\"jack\"}").await;
    let plugins = "{\"plugins\":{}}";
    let cases = [
        ("/routes/1", ROUTE),
        ("/services/1", "{}"),
        ("/upstreams/1", "{\"nodes\":{}}"),
        ("/consumers/jill", "{\"username\":\"jill\"}"),
        (
            "/consumers/jack/credentials/1",
            "{\"plugins\":{\"key-auth\":{\"key\":\"k\"}}}",
        ),
        ("/consumer_groups/1", plugins),
        ("/plugin_configs/1", plugins),
        ("/global_rules/1", plugins),
        ("/plugin_metadata/prometheus", "{}"),
        (
            "/stream_routes/1",
            "{\"server_port\":9100,\"upstream\":{\"nodes\":{}}}",
        ),
        (
            "/protos/1",
            "{\"content\":\"syntax = \\\"proto3\\\"; message A {}\"}",
        ),
        (
            "/secrets/vault/1",
            "{\"uri\":\"http://127.0.0.1\",\"prefix\":\"p\",\"token\":\"t\"}",
        ),
        (
            "/registries/1",
            "{\"type\":\"consul\",\"servers\":[\"http://127.0.0.1:8500\"]}",
        ),
        (
            "/services/s/graphql_cost_decorations/1",
            "{\"field_path\":\"a.b\"}",
        ),
    ];
    for (path, body) in cases {
        let reply = node.send(Method::PUT, path, body).await;
        assert_eq!(reply.status, 201, "{path}: {}", reply.text);
        let written = reply.json();
        assert_eq!(written["key"], format!("/apisix{path}"));
        let read = node.get(path).await.json();
        assert_eq!(read["value"], written["value"], "{path}");
        let (collection, _) = path.rsplit_once('/').unwrap();
        let list = node.get(collection).await.json();
        let listed = list["list"].as_array().unwrap();
        assert!(listed.contains(&read), "{collection}: {list}");
        assert_eq!(list["total"], listed.len());
        let deleted = json!({"key": format!("/apisix{path}"), "deleted": "1"});
        node.expect(Method::DELETE, path, "", 200, &deleted).await;
    }
}

#[tokio::test]
async fn ids_come_from_where_the_kind_keeps_them() {
    let node = Node::start().await;
    let body = node
        .put(
            "/routes",
            "{\"id\":7,\"uri\":\"/a\",\"upstream\":{\"nodes\":{}}}",
        )
        .await;
    assert_eq!(body["key"], "/apisix/routes/7");
    assert_eq!(body["value"]["id"], 7, "as written");
    let body = node.put("/consumers", "{\"username\":\"jack\"}").await;
    assert_eq!(body["key"], "/apisix/consumers/jack");
    assert!(body["value"].get("id").is_none());
    let secret = "{\"uri\":\"http://127.0.0.1\",\"prefix\":\"p\",\"token\":\"t\"}";
    let body = node.put("/secrets/vault/1", secret).await;
    assert_eq!(body["value"]["id"], "vault/1");
    let all = node.get("/secrets").await.json();
    assert_eq!(all["total"], 1);
    assert_eq!(node.get("/secrets/aws").await.json()["total"], 0);
    let body = node.put("/plugin_metadata/prometheus", "{}").await;
    assert_eq!(body["value"]["id"], "prometheus");
    // A consumer takes its credentials along.
    node.put(
        "/consumers/jack/credentials/1",
        "{\"plugins\":{\"key-auth\":{\"key\":\"k\"}}}",
    )
    .await;
    assert_eq!(node.get("/consumers").await.json()["total"], 1);
    node.send(Method::DELETE, "/consumers/jack", "").await;
    assert_eq!(
        node.get("/consumers/jack/credentials").await.json()["total"],
        0
    );
}

#[tokio::test]
async fn stream_routes_need_the_stream_mode() {
    let node = Node::with(Options {
        proxy_mode: Some("http".to_owned()),
        ..Options::default()
    })
    .await;
    let text = "stream mode is disabled, can not add stream routes";
    let refused = json!({"error_msg": text});
    node.expect(Method::PUT, "/stream_routes/1", "{}", 400, &refused)
        .await;
    node.expect(Method::GET, "/stream_routes", "", 400, &refused)
        .await;
}
