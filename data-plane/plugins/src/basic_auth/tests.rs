use std::sync::Arc;

use http::StatusCode;
use http::header::WWW_AUTHENTICATE;
use serde_json::json;
use weir_plugin_api::testkit::{FakeHost, request};
use weir_plugin_api::{Body, Consumer, Context, Plugin, Response};

use super::{BasicAuth, credentials};
use crate::tests::{answer, plugin, sent};

fn host() -> Arc<FakeHost> {
    let host = FakeHost::shared();
    host.add_key(
        "basic-auth",
        "foo",
        Consumer {
            name: "jack".into(),
            auth_config: Arc::new(json!({"username": "foo", "password": "bar"})),
            ..Consumer::default()
        },
    );
    host.add_consumer(Consumer {
        name: "guest".into(),
        ..Consumer::default()
    });
    host
}

fn run(config: serde_json::Value, context: &mut Context) -> Option<Response> {
    answer(plugin::<BasicAuth>(config).rewrite(context))
}

fn unauthorized(message: &str, realm: &str) -> Response {
    let mut response = Response::page(StatusCode::UNAUTHORIZED).with_header(
        WWW_AUTHENTICATE,
        format!("Basic realm=\"{realm}\"").parse().unwrap(),
    );
    response.body = Body::Json(json!({ "message": message }));
    response
}

#[test]
fn the_right_password_attaches_the_consumer() {
    for field in ["Basic Zm9vOmJhcg==", "bAsIc  Zm9vOmJhcg== "] {
        let mut context = request("/").header("authorization", field).context(host());
        assert_eq!(run(json!({}), &mut context), None, "{field}");
        assert_eq!(sent(&context, "x-consumer-username"), ["jack"]);
        assert_eq!(sent(&context, "authorization"), [field]);
    }
}

#[test]
fn everything_else_is_refused_with_its_reason() {
    let refused = |field: &str| {
        let mut context = request("/").header("authorization", field).context(host());
        run(json!({"realm": "shop"}), &mut context)
    };
    let mut context = request("/").context(host());
    let missing = unauthorized("Missing authorization in request", "basic");
    assert_eq!(run(json!({}), &mut context), Some(missing));
    for field in [
        "",
        "Basic",
        "Bearer Zm9vOmJhcg==",
        "Basic !",
        "Basic Zm9v",
        "Basic /w==",
    ] {
        let expected = unauthorized("Invalid authorization in request", "shop");
        assert_eq!(refused(field), Some(expected), "{field}");
    }
    // foo:baz, nobody:bar, foo:
    for field in [
        "Basic Zm9vOmJheg==",
        "Basic bm9ib2R5OmJhcg==",
        "Basic Zm9vOg==",
    ] {
        let expected = unauthorized("Invalid user authorization", "shop");
        assert_eq!(refused(field), Some(expected), "{field}");
    }
}

#[test]
fn white_space_is_dropped_and_the_password_ends_at_its_colon() {
    // "f oo:ba r:more"
    let read = credentials("Basic ZiBvbzpiYSByOm1vcmU=");
    assert_eq!(read, Some(("foo".into(), "bar".into())));
}

#[test]
fn credentials_are_hidden_when_asked() {
    let config = json!({"hide_credentials": true, "anonymous_consumer": "guest"});
    for (field, name) in [("Basic Zm9vOmJhcg==", "jack"), ("Basic wrong", "guest")] {
        let mut context = request("/").header("authorization", field).context(host());
        assert_eq!(run(config.clone(), &mut context), None);
        assert!(sent(&context, "authorization").is_empty());
        assert_eq!(sent(&context, "x-consumer-username"), [name]);
    }
}

#[test]
fn a_missing_anonymous_consumer_refuses() {
    let mut context = request("/").context(host());
    let expected = unauthorized("Invalid user authorization", "basic");
    let config = json!({"anonymous_consumer": "nobody"});
    assert_eq!(run(config, &mut context), Some(expected));
}
