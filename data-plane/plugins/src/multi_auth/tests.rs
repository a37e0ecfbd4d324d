use std::sync::Arc;

use futures_util::FutureExt;
use http::StatusCode;
use serde_json::{Value, json};
use weir_plugin_api::testkit::{FakeHost, RequestBuilder, request};
use weir_plugin_api::{Body, Consumer, Plugin, Response, Step};

use super::MultiAuth;
use crate::tests::{plugin, refusal};

fn host() -> Arc<FakeHost> {
    let host = FakeHost::shared();
    let consumer = |name: &str, config: Value| Consumer {
        name: name.into(),
        auth_config: Arc::new(config),
        ..Consumer::default()
    };
    host.add_key("key-auth", "k", consumer("keyed", json!({})));
    let named = consumer("named", json!({"username": "foo", "password": "bar"}));
    host.add_key("basic-auth", "foo", named);
    host
}

fn run(config: Value, builder: RequestBuilder) -> Result<String, Response> {
    let mut context = builder.context(host());
    let plugin = plugin::<MultiAuth>(config);
    let Step::Wait(future) = plugin.rewrite(&mut context) else {
        panic!("it waits");
    };
    match future.now_or_never().unwrap() {
        Step::Continue => Ok(context.consumer.unwrap().name.clone()),
        Step::Respond(response) => Err(*response),
        _ => panic!("it answers or goes on"),
    }
}

#[test]
fn the_first_plugin_that_lets_in_names_the_consumer() {
    let config = json!({"auth_plugins": [{"basic-auth": {}}, {"key-auth": {"header": "x-key"}}]});
    let basic = request("/").header("authorization", "Basic Zm9vOmJhcg==");
    assert_eq!(run(config.clone(), basic), Ok("named".into()));
    let key = request("/").header("x-key", "k");
    assert_eq!(run(config.clone(), key), Ok("keyed".into()));
    let both = request("/")
        .header("authorization", "Basic Zm9vOmJhcg==")
        .header("x-key", "k");
    assert_eq!(run(config.clone(), both), Ok("named".into()));
    let refused = run(config, request("/").header("x-key", "wrong")).unwrap_err();
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        refused.body,
        Body::Json(json!({"message": "Authorization Failed"}))
    );
    assert!(refused.headers.is_empty());
}

#[test]
fn wrong_configurations_are_refused() {
    refusal::<MultiAuth>(json!({}));
    refusal::<MultiAuth>(json!({"auth_plugins": [{"key-auth": {}}]}));
    let with =
        |second: Value| refusal::<MultiAuth>(json!({"auth_plugins": [{"key-auth": {}}, second]}));
    assert_eq!(with(json!({"nothing": {}})), "nothing plugin did not found");
    assert_eq!(
        with(json!({"limit-req": {}})),
        "limit-req plugin is not supported"
    );
    let text = with(json!({"jwt-auth": {"realm": ""}}));
    assert!(
        text.starts_with("plugin jwt-auth check schema failed: "),
        "{text}"
    );
}
