//! Plugin lists, schemas, validation without writing.

use http::Method;
use serde_json::{Value, json};

use super::{KEY, Node, ROUTE};

#[tokio::test]
async fn plugins_are_listed_by_falling_priority() {
    let node = Node::start().await;
    let list = node.get("/plugins/list").await.json();
    let names: Vec<_> = list
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let place = |name: &str| names.iter().position(|known| *known == name).unwrap();
    assert!(place("key-auth") < place("limit-count"));
    assert_eq!(node.get("/plugins/list?subsystem=http").await.json(), list);
    assert_eq!(
        node.get("/plugins/list?subsystem=stream").await.json(),
        json!([
            "ip-restriction",
            "limit-conn",
            "mqtt-proxy",
            "traffic-split",
            "prometheus",
            "syslog"
        ])
    );
    let reply = node.get("/plugins/list?subsystem=x").await;
    assert_eq!(
        (reply.status.as_u16(), reply.text.as_str()),
        (400, "invalid subsystem passed")
    );
}

#[tokio::test]
async fn plugin_schemas_are_published() {
    let node = Node::start().await;
    let schema = node.get("/plugins/limit-count").await.json();
    assert!(schema["properties"]["count"].is_object(), "{schema}");
    assert_eq!(node.get("/schema/plugins/limit-count").await.json(), schema);
    let consumer = node
        .get("/plugins/key-auth?schema_type=consumer")
        .await
        .json();
    assert!(consumer["properties"]["key"].is_object(), "{consumer}");
    let none = json!({"error_msg": "not found schema"});
    node.expect(
        Method::GET,
        "/plugins/limit-count?schema_type=consumer",
        "",
        400,
        &none,
    )
    .await;
    for (path, subsystem) in [
        ("/plugins/nothing", "http"),
        ("/plugins", "http"),
        ("/plugins/key-auth?subsystem=stream", "stream"),
    ] {
        let text = json!({"error_msg": format!("plugin not found in subsystem {subsystem}")});
        node.expect(Method::GET, path, "", 404, &text).await;
    }
    let path = "/plugins/ip-restriction?subsystem=stream";
    let schema = node.get(path).await.json();
    assert!(schema["oneOf"].is_array(), "{schema}");
    let all = node.get("/plugins?all=true&subsystem=stream").await.json();
    assert_eq!(all["ip-restriction"]["priority"], 3000);
    assert!(all.get("key-auth").is_none());
    let all = node.get("/plugins?all=true").await.json();
    assert_eq!(all["key-auth"]["type"], "auth");
    assert!(all["key-auth"]["consumer_schema"].is_object());
    assert!(all["limit-count"]["priority"].is_number());
    assert!(all["limit-count"]["version"].is_number());
}

#[tokio::test]
async fn schemas_of_kinds_are_published_and_can_be_tried() {
    let node = Node::start().await;
    for kind in weir_model::Kind::ALL {
        let reply = node.get(&format!("/schema/{kind}")).await;
        assert_eq!(reply.status, 200, "{kind}");
        assert!(reply.json().is_object(), "{kind}");
    }
    let reply = node
        .send(Method::POST, "/schema/validate/routes", ROUTE)
        .await;
    assert_eq!((reply.status.as_u16(), reply.text.as_str()), (200, ""));
    let wrong = json!({"error_msg": "property \"uri\" validation failed: wrong type: expected string, got number"});
    let body = "{\"uri\":1,\"upstream\":{\"nodes\":{}}}";
    node.expect(Method::POST, "/schema/validate/routes", body, 400, &wrong)
        .await;
    let unsupported = json!({"error_msg": "Unsupported resource type: route"});
    node.expect(
        Method::POST,
        "/schema/validate/route",
        "{}",
        404,
        &unsupported,
    )
    .await;
    let reply = node.send(Method::POST, "/schema/validate/routes", "").await;
    assert_eq!(reply.status, 400);
    // Neither plugins nor references are looked at.
    let body = "{\"uri\":\"/a\",\"upstream_id\":\"none\",\"plugins\":{\"nothing\":{}}}";
    let reply = node
        .send(Method::POST, "/schema/validate/routes", body)
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text);
}

#[tokio::test]
async fn many_documents_are_checked_at_once() {
    let node = Node::start().await;
    let good = json!({
        "routes": [{"id": 1, "uri": "/a", "upstream_id": "elsewhere"}],
        "consumers": [{"username": "jack"}, {"id": "jack/credentials/1", "plugins": {"key-auth": {"key": "k"}}}],
    });
    let path = "/configs/validate";
    node.expect(Method::POST, path, &good.to_string(), 200, &json!({}))
        .await;
    let yaml = "routes:\n  - id: 1\n    uri: /a\n    upstream_id: 1\n#END\n";
    let headers = [("x-api-key", KEY), ("content-type", "application/yaml")];
    let reply = node.with_headers(Method::POST, path, &headers, yaml).await;
    assert_eq!((reply.status.as_u16(), reply.json()), (200, json!({})));

    let bad = json!({
        "routes": [{"id": 1, "uri": "/a", "upstream": {"nodes": {}}}, {"id": 1, "uri": 5}],
        "services": [{"id": "s"}, {"id": "s"}],
    });
    let reply = node.send(Method::POST, path, bad.to_string()).await;
    assert_eq!(reply.status, 400);
    let body = reply.json();
    assert_eq!(body["error_msg"], "Configuration validation failed");
    let errors = body["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 2, "{body}");
    assert_eq!(errors[0]["resource_type"], "services");
    assert_eq!(errors[0]["error"], "found duplicate id s in services");
    assert_eq!(
        (&errors[1]["resource_id"], &errors[1]["index"]),
        (&json!("1"), &json!(1))
    );
    let text = errors[1]["error"].as_str().unwrap();
    assert!(
        text.starts_with("invalid routes at index 1, err: invalid configuration: "),
        "{text}"
    );
    let empty = json!({"error_msg": "invalid request body: empty request body"});
    node.expect(Method::POST, path, "", 400, &empty).await;
    assert_eq!(node.get("/routes").await.json()["total"], 0);
}
