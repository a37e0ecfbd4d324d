//! Statuses and bodies of objects.md section 2.1.

use http::Method;
use serde_json::{Value, json};

use super::{KEY, Node, ROUTE, VIEWER};
use crate::Options;

fn error(text: &str) -> Value {
    json!({"error_msg": text})
}

#[tokio::test]
async fn writes_and_reads_have_the_bodies_that_clients_know() {
    let node = Node::start().await;
    let created = node.send(Method::PUT, "/routes/1", ROUTE).await;
    assert_eq!(created.status, 201);
    let body = created.json();
    let names: Vec<_> = body.as_object().unwrap().keys().collect();
    assert_eq!(names, ["key", "value"]);
    assert_eq!(body["key"], "/apisix/routes/1");
    let value = body["value"].as_object().unwrap();
    let names: Vec<_> = value.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["uri", "upstream", "id", "create_time", "update_time"]
    );
    assert_eq!(value["id"], "1");

    let replaced = node.send(Method::PUT, "/routes/1", ROUTE).await;
    assert_eq!(replaced.status, 200);
    let read = node.get("/routes/1").await.json();
    let names: Vec<_> = read.as_object().unwrap().keys().cloned().collect();
    assert_eq!(names, ["key", "value", "createdIndex", "modifiedIndex"]);
    assert!(read["createdIndex"].as_u64() < read["modifiedIndex"].as_u64());
    assert_eq!(read["value"]["create_time"], value["create_time"]);

    let list = node.get("/routes").await.json();
    assert_eq!(list["total"], 1);
    assert_eq!(list["list"][0], read);

    let deleted = json!({"key": "/apisix/routes/1", "deleted": "1"});
    node.expect(Method::DELETE, "/routes/1", "", 200, &deleted)
        .await;
    let absent = json!({"message": "Key not found"});
    node.expect(Method::DELETE, "/routes/1", "", 404, &absent)
        .await;
    node.expect(Method::GET, "/routes/1", "", 404, &absent)
        .await;
    node.expect(Method::PATCH, "/routes/1", "{}", 404, &absent)
        .await;
    let empty = json!({"list": [], "total": 0});
    node.expect(Method::GET, "/routes", "", 200, &empty).await;
}

#[tokio::test]
async fn post_makes_growing_ids_of_20_digits() {
    let node = Node::start().await;
    let mut last = String::new();
    for _ in 0..3 {
        let reply = node.send(Method::POST, "/routes", ROUTE).await;
        assert_eq!(reply.status, 201);
        let body = reply.json();
        let id = body["value"]["id"].as_str().unwrap().to_owned();
        assert!(
            id.len() == 20 && id.bytes().all(|byte| byte.is_ascii_digit()),
            "{id}"
        );
        assert_eq!(body["key"], format!("/apisix/routes/{id}"));
        assert!(id > last);
        last = id;
    }
}

#[tokio::test]
async fn refusals_have_the_texts_that_clients_know() {
    let node = Node::start().await;
    let cases: Vec<(Method, &str, &str, &str)> = vec![
        (Method::PUT, "/routes", ROUTE, "missing route id"),
        (Method::DELETE, "/routes", "", "missing route id"),
        (Method::PATCH, "/routes", "{}", "missing route id"),
        (
            Method::PUT,
            "/plugin_configs",
            "{\"plugins\":{}}",
            "missing plugin config id",
        ),
        (
            Method::PUT,
            "/routes/1",
            "{\"id\":\"2\",\"uri\":\"/a\"}",
            "wrong route id",
        ),
        (
            Method::PUT,
            "/stream_routes/1",
            "{\"id\":2}",
            "wrong stream route id",
        ),
        (
            Method::POST,
            "/routes",
            "{\"id\":2}",
            "wrong route id, do not need it",
        ),
        (
            Method::POST,
            "/routes/7",
            ROUTE,
            "wrong route id, do not need it",
        ),
        (Method::PUT, "/routes/1", "", "missing configurations"),
        (Method::POST, "/routes", "", "missing configurations"),
        (
            Method::PUT,
            "/routes/1",
            "{\"uri\":1,\"upstream\":{\"nodes\":{}}}",
            "invalid configuration: property \"uri\" validation failed: wrong type: expected string, got number",
        ),
        (
            Method::PUT,
            "/routes/1",
            "{\"uri\":\"/a\",\"upstream\":{\"nodes\":{}},\"create_time\":1}",
            "the property is forbidden:  create_time",
        ),
        (
            Method::PUT,
            "/routes/1",
            "{\"uri\":\"/a\",\"upstream_id\":\"x\"}",
            "failed to fetch upstream info by upstream id [x], response code: 404",
        ),
        (
            Method::PUT,
            "/routes/1",
            "{\"uri\":\"/a\",\"plugins\":{\"nothing\":{}},\"upstream\":{\"nodes\":{}}}",
            "unknown plugin [nothing]",
        ),
        (
            Method::PUT,
            "/consumers/a",
            "{\"username\":\"b\"}",
            "wrong username",
        ),
        (
            Method::PUT,
            "/consumers",
            "{}",
            "invalid configuration: property \"username\" is required",
        ),
        (Method::PUT, "/plugin_metadata", "{}", "missing plugin name"),
        (
            Method::PUT,
            "/plugin_metadata/nothing",
            "{}",
            "invalid plugin name",
        ),
        (
            Method::PUT,
            "/secrets/safe/1",
            "{}",
            "invalid secret manager: safe",
        ),
        (Method::PATCH, "/secrets/vault", "{}", "no secret id"),
        (
            Method::PUT,
            "/routes/1?ttl=soon",
            ROUTE,
            "invalid argument ttl: should be a number",
        ),
        (
            Method::GET,
            "/schema/elephant",
            "",
            "not found schema: elephant",
        ),
        (
            Method::GET,
            "/plugins/key-auth?subsystem=x",
            "",
            "unsupported subsystem: x",
        ),
    ];
    for (method, path, body, text) in cases {
        node.expect(method, path, body, 400, &error(text)).await;
    }
    let credential = "{\"plugins\":{\"key-auth\":{\"key\":\"k\"}}}";
    let not_found = error("consumer not found");
    node.expect(
        Method::PUT,
        "/consumers/none/credentials/1",
        credential,
        404,
        &not_found,
    )
    .await;
    let unsupported = error("Unsupported resource type: elephants");
    node.expect(Method::GET, "/elephants", "", 404, &unsupported)
        .await;
    let unsupported = error("Unsupported resource type: configs");
    node.expect(Method::GET, "/configs", "", 404, &unsupported)
        .await;
}

#[tokio::test]
async fn a_body_that_is_not_json_comes_back() {
    let node = Node::start().await;
    let reply = node.send(Method::PUT, "/routes/1", "{not json").await;
    assert_eq!(reply.status, 400);
    let body = reply.json();
    assert_eq!(body["req_body"], "{not json");
    assert!(
        body["error_msg"]
            .as_str()
            .unwrap()
            .starts_with("invalid request body: ")
    );
}

#[tokio::test]
async fn a_body_above_the_limit_is_refused_with_its_size() {
    let node = Node::start().await;
    let text = |size: usize| {
        format!(
            "invalid request body: request size {size} is greater than the maximum size 1572864 allowed"
        )
    };
    for size in [1_572_865_usize, 3_000_000] {
        let body = "x".repeat(size);
        node.expect(Method::PUT, "/routes/1", &body, 400, &error(&text(size)))
            .await;
    }
    let largest = format!("{{\"uri\":\"/a\",\"desc\":\"{}\"}}", "x".repeat(1_572_000));
    let reply = node.send(Method::PUT, "/routes/1", largest).await;
    assert!(reply.text.contains("string too long"), "{}", reply.text);
}

#[tokio::test]
async fn what_is_in_use_is_not_deleted_unless_forced() {
    let node = Node::start().await;
    node.put("/upstreams/1", "{\"nodes\":{}}").await;
    node.put("/services/1", "{\"upstream_id\":\"1\"}").await;
    node.put("/routes/1", "{\"uri\":\"/a\",\"service_id\":\"1\"}")
        .await;
    let used = error("can not delete this upstream, service [1] is still using it now");
    node.expect(Method::DELETE, "/upstreams/1", "", 400, &used)
        .await;
    node.expect(Method::DELETE, "/upstreams/1?force=1", "", 400, &used)
        .await;
    let used = error("can not delete this service directly, route [1] is still using it now");
    node.expect(Method::DELETE, "/services/1", "", 400, &used)
        .await;
    let deleted = json!({"key": "/apisix/services/1", "deleted": "1"});
    node.expect(Method::DELETE, "/services/1?force=true", "", 200, &deleted)
        .await;
}

#[tokio::test]
async fn keys_decide_who_may_do_what() {
    let node = Node::start().await;
    let denied = |text: &str| json!({"error_msg": "failed to check token", "description": text});
    let cases = [
        (Method::GET, "/routes", vec![], 401, Some("missing apikey")),
        (
            Method::GET,
            "/routes",
            vec![("x-api-key", "wrong")],
            401,
            Some("wrong apikey"),
        ),
        (
            Method::GET,
            "/elephants",
            vec![],
            401,
            Some("missing apikey"),
        ),
        (
            Method::GET,
            "/routes",
            vec![("x-api-key", VIEWER)],
            200,
            None,
        ),
        (
            Method::POST,
            "/routes",
            vec![("x-api-key", VIEWER)],
            401,
            Some("invalid method for role viewer"),
        ),
        (
            Method::GET,
            "/routes",
            vec![("cookie", "a=b; x_api_key=admin-key-of-tests")],
            200,
            None,
        ),
        (
            Method::GET,
            "/routes?api_key=admin-key-of-tests",
            vec![],
            200,
            None,
        ),
    ];
    for (method, path, headers, status, text) in cases {
        let reply = node
            .with_headers(method.clone(), path, &headers, ROUTE)
            .await;
        assert_eq!(reply.status, status, "{method} {path}: {}", reply.text);
        if let Some(text) = text {
            assert_eq!(reply.json(), denied(text), "{method} {path}");
        }
    }
    let open = Node::with(Options {
        admin_key_required: Some(false),
        ..Options::default()
    })
    .await;
    let reply = open
        .with_headers(Method::PUT, "/routes/1", &[], ROUTE)
        .await;
    assert_eq!(reply.status, 201);
    let head = node.with_headers(Method::HEAD, "", &[], "").await;
    assert_eq!(head.status, 200);
}

#[tokio::test]
async fn strangers_get_403() {
    let node = Node::start().await;
    for (peer, status) in [
        ("127.0.0.9:1", 200),
        ("[::1]:1", 200),
        ("[::ffff:127.0.0.1]:1", 200),
        ("127.0.1.1:1", 403),
        ("10.0.0.1:1", 403),
        ("[2001:db8::1]:1", 403),
    ] {
        let request = http::Request::get("/apisix/admin/routes").header("x-api-key", KEY);
        let reply = node.request(peer, request.body("".into()).unwrap()).await;
        assert_eq!(reply.status, status, "{peer}");
    }
}
