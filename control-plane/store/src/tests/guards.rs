//! What keeps a resource from being deleted.

use serde_json::json;

use super::fixture::{Log, delete, force_delete, key, put};

fn split_to(upstream: &str) -> serde_json::Value {
    json!({"traffic-split": {"rules": [{"weighted_upstreams": [{"weight": 1}, {"upstream_id": upstream}]}]}})
}

#[test]
fn guards_answer_as_apisix_does() {
    let cases = [
        (
            "upstreams/1",
            put("routes/1", json!({"upstream_id": 1})),
            "can not delete this upstream, route [1] is still using it now",
        ),
        (
            "upstreams/1",
            put("services/s", json!({"upstream_id": "1"})),
            "can not delete this upstream, service [s] is still using it now",
        ),
        (
            "upstreams/1",
            put("plugin_configs/p", json!({"plugins": split_to("1")})),
            "can not delete this upstream, plugin in plugin_config [p] is still using it now",
        ),
        (
            "services/1",
            put("routes/1", json!({"service_id": "1"})),
            "can not delete this service directly, route [1] is still using it now",
        ),
        (
            "services/1",
            put("stream_routes/1", json!({"service_id": "1"})),
            "can not delete this service directly, stream_route [1] is still using it now",
        ),
        (
            "plugin_configs/1",
            put("routes/1", json!({"plugin_config_id": 1})),
            "can not delete this plugin config, route [1] is still using it now",
        ),
        (
            "consumer_groups/1",
            put("consumers/x", json!({"group_id": "1"})),
            "can not delete this consumer group, consumer [x] is still using it now",
        ),
        (
            "protos/1",
            put(
                "routes/1",
                json!({"plugins": {"grpc-transcode": {"proto_id": 1}}}),
            ),
            "can not delete this proto, route [1] is still using it now",
        ),
        (
            "stream_routes/1",
            put(
                "stream_routes/2",
                json!({"protocol": {"name": "x", "superior_id": "1"}}),
            ),
            "can not delete this stream route directly, stream route [2] is still using it as \
             superior_id",
        ),
    ];
    for (target, user, expected) in cases {
        let mut log = Log::default();
        let crate::Target::Key(user_key) = user.target.clone() else {
            panic!("{target}: no key");
        };
        log.write(vec![put(target, json!({}))]);
        log.write(vec![user]);
        assert_eq!(
            log.state.users_of(&key(target)),
            std::slice::from_ref(&user_key)
        );
        assert_eq!(log.in_use(target), expected);
        // Gone together, they do not hold each other.
        log.write(vec![delete(target), delete(&user_key.to_string())]);
        assert!(log.state.users_of(&key(target)).is_empty());
    }
}

#[test]
fn force_skips_the_guard() {
    let mut log = Log::default();
    log.write(vec![
        put("upstreams/1", json!({})),
        put("routes/1", json!({"upstream_id": 1})),
    ]);
    log.write(vec![force_delete("upstreams/1")]);
    // The user still counts when the resource is back.
    log.write(vec![put("upstreams/1", json!({}))]);
    log.in_use("upstreams/1");
}

#[test]
fn a_user_that_turned_away_does_not_guard() {
    let mut log = Log::default();
    log.write(vec![
        put("upstreams/1", json!({})),
        put("routes/1", json!({"upstream_id": 1})),
    ]);
    log.write(vec![put("routes/1", json!({"uri": "/"}))]);
    log.write(vec![delete("upstreams/1")]);
}

#[test]
fn ssls_are_not_guarded() {
    let mut log = Log::default();
    log.write(vec![
        put("ssls/c", json!({"type": "client"})),
        put("upstreams/1", json!({"tls": {"client_cert_id": "c"}})),
    ]);
    log.write(vec![delete("ssls/c")]);
}
