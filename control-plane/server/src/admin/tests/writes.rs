//! PATCH, preconditions, ttl, authors.

use std::sync::Arc;

use http::Method;
use serde_json::{Value, json};
use weir_model::{Key, Kind};

use super::{KEY, Node, ROUTE};

async fn spec(node: &Node, path: &str) -> Value {
    let mut value = node.get(path).await.json()["value"].clone();
    let fields = value.as_object_mut().unwrap();
    for name in ["id", "create_time", "update_time"] {
        fields.shift_remove(name);
    }
    value
}

#[tokio::test]
async fn patch_merges_objects_replaces_arrays_and_null_removes() {
    let node = Node::start().await;
    let route = r#"{"uris":["/a","/b"],"desc":"x","labels":{"a":"1","b":"2"},"upstream":{"nodes":{"127.0.0.1:1":1,"127.0.0.1:2":1}}}"#;
    node.put("/routes/1", route).await;
    let change = r#"{"uris":["/c"],"desc":null,"labels":{"b":null,"c":"3"},"upstream":{"nodes":{"127.0.0.1:1":null}}}"#;
    let reply = node.send(Method::PATCH, "/routes/1", change).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let expected = json!({
        "uris": ["/c"], "labels": {"a": "1", "c": "3"},
        "upstream": {"nodes": {"127.0.0.1:2": 1}},
    });
    assert_eq!(spec(&node, "/routes/1").await, expected);
}

#[tokio::test]
async fn patch_of_a_sub_path_replaces_that_part() {
    let node = Node::start().await;
    node.put("/routes/1", ROUTE).await;
    for (path, body) in [
        ("methods", "[\"GET\"]"),
        ("upstream/nodes", "{\"127.0.0.1:9\":2}"),
        ("labels/owner", "\"me\""),
        ("priority", "5"),
    ] {
        let reply = node
            .send(Method::PATCH, &format!("/routes/1/{path}"), body)
            .await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
    }
    let expected = json!({
        "uri": "/a", "upstream": {"nodes": {"127.0.0.1:9": 2}}, "methods": ["GET"],
        "labels": {"owner": "me"}, "priority": 5,
    });
    assert_eq!(spec(&node, "/routes/1").await, expected);
    let invalid = json!({"error_msg": "invalid sub-path: /uri/deeper"});
    node.expect(Method::PATCH, "/routes/1/uri/deeper", "1", 400, &invalid)
        .await;
    let reply = node.send(Method::PATCH, "/routes/1/uri", "5").await;
    assert_eq!(reply.status, 400, "the result must be valid");
    let wrong = json!({"error_msg": "wrong route id"});
    node.expect(Method::PATCH, "/routes/1/id", "\"2\"", 400, &wrong)
        .await;
    let missing = json!({"error_msg": "missing new configuration"});
    node.expect(Method::PATCH, "/routes/1", "", 400, &missing)
        .await;
    let invalid = json!({"error_msg": "invalid configuration"});
    node.expect(Method::PATCH, "/routes/1", "5", 400, &invalid)
        .await;
}

#[tokio::test]
async fn times_in_a_patch_are_the_servers() {
    let node = Node::start().await;
    let created = node.put("/routes/1", ROUTE).await;
    let reply = node
        .send(
            Method::PATCH,
            "/routes/1",
            "{\"create_time\":1,\"desc\":\"x\"}",
        )
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(
        reply.json()["value"]["create_time"],
        created["value"]["create_time"]
    );
    assert_eq!(
        reply.header("weir-warning"),
        "create_time: set by the server, ignored"
    );
}

#[tokio::test]
async fn preconditions_are_kept() {
    let node = Node::start().await;
    let absent = [("x-api-key", KEY), ("if-none-match", "*")];
    let reply = node
        .with_headers(Method::PUT, "/routes/1", &absent, ROUTE)
        .await;
    assert_eq!(reply.status, 201);
    let first: u64 = reply.header("x-weir-revision").parse().unwrap();
    assert_eq!(reply.header("etag"), format!("\"{first}\""));
    let refused = node
        .with_headers(Method::PUT, "/routes/1", &absent, ROUTE)
        .await;
    assert_eq!(refused.status, 412);
    assert_eq!(refused.json()["current_revision"], first);
    assert_eq!(refused.header("x-weir-revision"), first.to_string());

    let quoted = format!("\"{first}\"");
    let matching = [("x-api-key", KEY), ("if-match", quoted.as_str())];
    let patch = "{\"desc\":\"x\"}";
    let reply = node
        .with_headers(Method::PATCH, "/routes/1", &matching, patch)
        .await;
    assert_eq!(reply.status, 200);
    let second: u64 = reply.header("x-weir-revision").parse().unwrap();
    assert!(second > first);
    for (method, body) in [
        (Method::PUT, ROUTE),
        (Method::PATCH, patch),
        (Method::DELETE, ""),
    ] {
        let reply = node
            .with_headers(method.clone(), "/routes/1", &matching, body)
            .await;
        assert_eq!(reply.status, 412, "{method}");
        assert_eq!(reply.json()["current_revision"], second);
    }
    let reply = node
        .with_headers(Method::PUT, "/routes/2", &matching, ROUTE)
        .await;
    assert_eq!(reply.status, 412);
    assert_eq!(reply.json()["current_revision"], Value::Null);
    let any = [("x-api-key", KEY), ("if-match", "*")];
    let reply = node
        .with_headers(Method::PUT, "/routes/2", &any, ROUTE)
        .await;
    assert_eq!(reply.status, 412);
    for header in [("if-match", "soon"), ("if-none-match", "\"5\"")] {
        let reply = node
            .with_headers(
                Method::PUT,
                "/routes/1",
                &[("x-api-key", KEY), header],
                ROUTE,
            )
            .await;
        assert_eq!(reply.status, 400, "{header:?}");
    }
}

#[tokio::test]
async fn ttl_is_kept_with_the_resource() {
    let node = Node::start().await;
    for (method, path, body) in [
        (Method::PUT, "/routes/1?ttl=60", ROUTE),
        (Method::PATCH, "/routes/1?ttl=1.5", "{\"desc\":\"x\"}"),
    ] {
        let reply = node.send(method, path, body).await;
        assert!(reply.status.is_success(), "{}", reply.text);
        let state = node.shared.raft.stale();
        let route = Arc::clone(state.set.get(&Key::new(Kind::Route, "1")).unwrap());
        assert!(route.expires_at_ms.is_some(), "{path}");
    }
    node.put("/routes/1", ROUTE).await;
    let state = node.shared.raft.stale();
    assert_eq!(
        state
            .set
            .get(&Key::new(Kind::Route, "1"))
            .unwrap()
            .expires_at_ms,
        None
    );
    for ttl in ["", "x", "NaN", "inf", "1,5"] {
        let text = json!({"error_msg": "invalid argument ttl: should be a number"});
        node.expect(
            Method::PUT,
            &format!("/routes/1?ttl={ttl}"),
            ROUTE,
            400,
            &text,
        )
        .await;
    }
    for ttl in ["0", "-1"] {
        let reply = node
            .send(Method::PUT, &format!("/routes/1?ttl={ttl}"), ROUTE)
            .await;
        assert_eq!(reply.status, 400, "{ttl}");
    }
    let reply = node.send(Method::PUT, "/routes/1?ttl=1e300", ROUTE).await;
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn author_and_message_are_on_record() {
    let node = Node::start().await;
    let headers = [("x-api-key", KEY), ("x-weir-message", "spring sale")];
    node.with_headers(Method::PUT, "/routes/1", &headers, ROUTE)
        .await;
    let state = node.shared.raft.stale();
    let record = state.changes.records.last().unwrap();
    assert_eq!(
        (record.author.as_str(), record.message.as_str()),
        ("admin", "spring sale")
    );
}

#[tokio::test]
async fn private_keys_are_never_returned() {
    let node = Node::start().await;
    let pem = |kind: &str| {
        format!(
            "-----BEGIN {kind}-----\n{}\n-----END {kind}-----",
            "A".repeat(128)
        )
    };
    let spec = json!({"sni": "a.test", "cert": pem("CERTIFICATE"), "key": pem("PRIVATE KEY"), "desc": "x"});
    // Written past validation: what matters is what is shown.
    let put = weir_store::Change {
        target: weir_store::Target::Key(Key::new(Kind::Ssl, "1")),
        operation: weir_store::Operation::Put {
            spec: Arc::new(spec),
            expires_at_ms: None,
        },
        precondition: weir_store::Precondition::None,
    };
    let command = weir_store::Command::Write {
        changes: vec![put],
        at_ms: 1,
        author: String::new(),
        message: String::new(),
    };
    node.shared.raft.write(command).await.unwrap();
    for path in ["/ssls/1", "/ssls"] {
        let reply = node.get(path).await;
        assert_eq!(reply.status, 200);
        assert!(reply.text.contains("BEGIN CERTIFICATE"));
        assert!(!reply.text.contains("PRIVATE KEY"), "{}", reply.text);
    }
}

#[tokio::test]
async fn many_writers_of_one_route_lose_nothing() {
    let node = Arc::new(Node::start().await);
    node.put("/routes/1", ROUTE).await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..16 {
        let node = Arc::clone(&node);
        tasks.spawn(async move {
            let body = format!("{{\"labels\":{{\"l{number}\":\"x\"}}}}");
            loop {
                let reply = node.send(Method::PATCH, "/routes/1", body.clone()).await;
                match reply.status.as_u16() {
                    200 => return,
                    _ => assert_eq!(
                        reply.json()["error_msg"],
                        "value changed before overwritten"
                    ),
                }
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let labels = node.get("/routes/1").await.json()["value"]["labels"].clone();
    assert_eq!(labels.as_object().unwrap().len(), 16);
}
