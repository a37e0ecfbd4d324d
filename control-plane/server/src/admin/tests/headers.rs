//! Headers of answers: revisions, warnings, CORS.

use http::Method;

use super::{KEY, Node, ROUTE};
use crate::Options;

#[tokio::test]
async fn every_answer_carries_version_and_revision() {
    let node = Node::start().await;
    node.put("/routes/1", ROUTE).await;
    let revision = node.shared.raft.stale().set.revision.to_string();
    for (path, key) in [
        ("/routes/1", KEY),
        ("/routes/2", KEY),
        ("/routes", "wrong"),
        ("/x", KEY),
    ] {
        let reply = node
            .with_headers(Method::GET, path, &[("x-api-key", key)], "")
            .await;
        assert_eq!(reply.header("x-weir-revision"), revision, "{path}");
        assert_eq!(reply.header("x-api-version"), "v3");
        assert_eq!(reply.header("content-type"), "application/json");
        assert!(reply.header("server").starts_with("Weir/"));
        assert!(reply.text.ends_with('\n'));
    }
    let stale = node.get("/routes/1?consistency=stale").await;
    assert_eq!(
        (stale.status.as_u16(), stale.header("x-weir-revision")),
        (200, revision.as_str())
    );
    assert_eq!(node.get("/routes/1?consistency=maybe").await.status, 400);
}

#[tokio::test]
async fn cors_is_on_unless_switched_off() {
    let node = Node::start().await;
    let reply = node.with_headers(Method::OPTIONS, "/routes", &[], "").await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("access-control-allow-origin"), "*");
    assert_eq!(
        reply.header("access-control-allow-methods"),
        "POST, GET, PUT, OPTIONS, DELETE, PATCH"
    );
    assert_eq!(reply.header("access-control-allow-headers"), "*");
    let reply = node.get("/routes").await;
    assert_eq!(reply.header("access-control-max-age"), "3600");
    assert_eq!(reply.header("access-control-expose-headers"), "*");
    assert_eq!(reply.header("access-control-allow-credentials"), "true");
    let off = Node::with(Options {
        admin_cors: Some(false),
        ..Options::default()
    })
    .await;
    assert_eq!(
        off.get("/routes")
            .await
            .header("access-control-allow-origin"),
        ""
    );
    assert_eq!(off.send(Method::OPTIONS, "/routes", "").await.status, 404);
}

#[tokio::test]
async fn ignored_fields_are_named_in_a_warning() {
    let node = Node::start().await;
    let body = "{\"nodes\":{},\"checks\":{\"active\":{\"http_paht\":\"/\",\"zürich\":1}}}";
    let reply = node.send(Method::PUT, "/upstreams/1", body).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    let all: Vec<_> = reply.headers.get_all("weir-warning").iter().collect();
    let all: Vec<_> = all.iter().map(|value| value.to_str().unwrap()).collect();
    let paht = all
        .iter()
        .find(|text| text.contains("checks.active.http_paht"));
    assert!(
        paht.is_some_and(|text| text.contains("http_path")),
        "{all:?}"
    );
    assert!(
        all.iter().any(|text| text.contains("z\\u{fc}rich")),
        "{all:?}"
    );
}

#[tokio::test]
async fn warnings_are_bounded() {
    let node = Node::start().await;
    let fields: Vec<_> = (0..100)
        .map(|number| format!("\"field-{number}\":1"))
        .collect();
    let body = format!(
        "{{\"nodes\":{{}},\"checks\":{{\"active\":{{{}}}}}}}",
        fields.join(",")
    );
    let reply = node.send(Method::PUT, "/upstreams/1", body).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    assert_eq!(reply.headers.get_all("weir-warning").iter().count(), 21);
}

#[tokio::test]
async fn a_certificate_that_has_expired_is_told_and_taken() {
    let node = Node::start().await;
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2020, 1, 2);
    let cert = params.self_signed(&key).unwrap().pem();
    let ssl = serde_json::json!({"snis": ["a.test"], "cert": cert, "key": key.serialize_pem()});
    let reply = node.send(Method::PUT, "/ssls/1", ssl.to_string()).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    assert_eq!(
        reply.header("weir-warning"),
        "cert: the certificate expired on 2020-01-02T00:00:00Z"
    );
}
