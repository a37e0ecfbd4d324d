//! The JSON examples of the guide our users follow, written as they stand through the Admin API.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use http::Method;
use serde_json::{Value, json};
use weir_tests::Cluster;

/// File, collection. In the order of the guide; what an example refers to is created first.
const EXAMPLES: &str = include_str!("guide/index.json");

fn example(file: &str) -> Value {
    let path = format!("{}/tests/guide/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_examples_of_the_guide_are_accepted_and_returned_as_written() {
    let cluster = Cluster::start(1).await;
    let node = &cluster.nodes[0];
    let index: Value = serde_json::from_str(EXAMPLES).unwrap();
    for referred in index["referred"].as_array().unwrap() {
        node.put(referred["path"].as_str().unwrap(), &referred["body"])
            .await;
    }
    for id in ["my_client_cert_id", "my_client_key_id", "my_ca_cert_id"] {
        let pair = rcgen::generate_simple_self_signed(vec!["gateway.test".to_owned()]).unwrap();
        let certificate = json!({
            "type": "client", "cert": pair.cert.pem(), "key": pair.signing_key.serialize_pem(),
        });
        node.put(&format!("ssls/{id}"), &certificate).await;
    }
    let mut accepted = 0;
    for entry in index["examples"].as_array().unwrap() {
        let file = entry["file"].as_str().unwrap();
        let document = example(file);
        let id = document["id"].as_str().unwrap();
        let path = format!("{}/{id}", entry["collection"].as_str().unwrap());
        let answer = node.try_admin(Method::PUT, &path, &document).await.unwrap();
        assert!(
            answer.status.is_success(),
            "{file}: {} {}",
            answer.status,
            answer.text()
        );
        let stored = node
            .try_admin(Method::GET, &path, &Value::Null)
            .await
            .unwrap()
            .json();
        let mut value = stored["value"].clone();
        let fields = value.as_object_mut().unwrap();
        fields.remove("create_time");
        fields.remove("update_time");
        assert_eq!(value, document, "{file}: returned as written");
        accepted += 1;
    }
    assert_eq!(accepted, 19);
}
