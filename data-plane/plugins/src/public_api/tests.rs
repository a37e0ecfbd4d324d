use http::{Method, StatusCode};
use serde_json::{Value, json};
use weir_plugin_api::Plugin;
use weir_plugin_api::testkit::{FakeHost, request};

use super::PublicApi;
use crate::tests::{answer, plugin};

fn status(config: Value, method: Method, path: &str) -> StatusCode {
    let mut context = request(path)
        .method(method)
        .body("application/json", "")
        .context(FakeHost::shared());
    answer(plugin::<PublicApi>(config).access(&mut context))
        .unwrap()
        .status
}

#[test]
fn an_api_is_served_by_its_path_and_method_or_not_at_all() {
    let batch = "/apisix/batch-requests";
    assert_eq!(
        status(json!({}), Method::POST, batch),
        StatusCode::BAD_REQUEST
    );
    assert_eq!(
        status(json!({"uri": batch}), Method::POST, "/any"),
        StatusCode::BAD_REQUEST
    );
    assert_eq!(status(json!({}), Method::GET, batch), StatusCode::NOT_FOUND);
    assert_eq!(
        status(json!({}), Method::POST, "/any"),
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        status(json!({"uri": "/other"}), Method::POST, batch),
        StatusCode::NOT_FOUND
    );
}
