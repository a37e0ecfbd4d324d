//! References, duplicate keys, duplicate global plugins.

use serde_json::json;

use super::fixture::{Log, delete, force_delete, put};

#[test]
fn dangling_references_are_named_as_apisix_does() {
    let mut log = Log::default();
    let cases = [
        (
            put("routes/1", json!({"upstream_id": 7})),
            "failed to fetch upstream info by upstream id [7], response code: 404",
        ),
        (
            put("services/1", json!({"upstream_id": "u"})),
            "failed to fetch upstream info by upstream id [u], response code: 404",
        ),
        (
            put("routes/1", json!({"service_id": "s"})),
            "failed to fetch service info by service id [s], response code: 404",
        ),
        (
            put("routes/1", json!({"plugin_config_id": "p"})),
            "failed to fetch plugin config info by plugin config id [p], response code: 404",
        ),
        (
            put("consumers/jack", json!({"group_id": "g"})),
            "failed to fetch consumer group info by consumer group id [g], response code: 404",
        ),
        (
            put("upstreams/1", json!({"tls": {"client_cert_id": "c"}})),
            "failed to fetch ssl info by ssl id [c], response code: 404",
        ),
    ];
    for (change, expected) in cases {
        assert_eq!(log.problem(vec![change]), expected);
    }
}

#[test]
fn client_certificate_must_be_of_type_client() {
    let mut log = Log::default();
    log.write(vec![put("ssls/c", json!({"type": "server"}))]);
    assert_eq!(
        log.problem(vec![put(
            "upstreams/1",
            json!({"tls": {"client_cert_id": "c"}})
        )]),
        "failed to fetch ssl info by ssl id [c], wrong ssl type"
    );
}

#[test]
fn references_inside_one_write_resolve_in_any_order() {
    let mut log = Log::default();
    log.write(vec![
        put("routes/1", json!({"upstream_id": 1, "service_id": "s"})),
        put("services/s", json!({"upstream_id": "1"})),
        put("upstreams/1", json!({})),
    ]);
    assert_eq!(
        log.problem(vec![
            put("routes/1", json!({"upstream_id": 1})),
            force_delete("upstreams/1"),
        ]),
        "failed to fetch upstream info by upstream id [1], response code: 404"
    );
}

#[test]
fn references_inside_plugins_may_dangle() {
    let mut log = Log::default();
    log.write(vec![put(
        "routes/1",
        json!({"plugins": {"grpc-transcode": {"proto_id": "1"}}}),
    )]);
}

#[test]
fn a_key_that_another_consumer_has_is_refused() {
    let mut log = Log::default();
    let bob = || {
        put(
            "consumers/bob",
            json!({"plugins": {"key-auth": {"key": "k"}}}),
        )
    };
    log.write(vec![bob()]);
    log.write(vec![bob()]);
    let ann = put(
        "consumers/ann",
        json!({"plugins": {"key-auth": {"key": "k"}}}),
    );
    assert_eq!(
        log.problem(vec![ann.clone()]),
        "duplicate key of plugin key-auth found with consumer: bob"
    );
    // Another plugin may use the same text, and what was given up is free.
    log.write(vec![put(
        "consumers/ann",
        json!({"plugins": {"jwt-auth": {"key": "k"}}}),
    )]);
    log.write(vec![delete("consumers/bob"), ann]);
}

#[test]
fn a_key_that_a_credential_has_is_refused() {
    let mut log = Log::default();
    let spec = json!({"plugins": {"hmac-auth": {"key_id": "k"}}});
    log.write(vec![
        put("consumers/bob", json!({})),
        put("credentials/bob/c1", spec.clone()),
    ]);
    assert_eq!(
        log.problem(vec![put("consumers/ann", spec.clone())]),
        "duplicate key of plugin hmac-auth found with credential: c1 of consumer: bob"
    );
    assert_eq!(
        log.problem(vec![put("credentials/bob/c2", spec)]),
        "duplicate key of plugin hmac-auth found with credential: c1 of consumer: bob"
    );
}

#[test]
fn of_two_equal_keys_in_one_write_the_later_is_to_blame() {
    let mut log = Log::default();
    let spec = json!({"plugins": {"basic-auth": {"username": "u", "password": "p"}}});
    assert_eq!(
        log.problem(vec![
            put("consumers/zoe", spec.clone()),
            put("consumers/ann", spec.clone()),
        ]),
        "duplicate key of plugin basic-auth found with consumer: zoe"
    );
    // Keys that change hands inside one write are fine.
    let other = json!({"plugins": {"basic-auth": {"username": "v", "password": "p"}}});
    log.write(vec![
        put("consumers/ann", spec.clone()),
        put("consumers/zoe", other.clone()),
    ]);
    log.write(vec![
        put("consumers/ann", other),
        put("consumers/zoe", spec),
    ]);
}

#[test]
fn secret_references_are_not_compared() {
    let mut log = Log::default();
    let spec = json!({"plugins": {"key-auth": {"key": "$secret://vault/1/a/key"}}});
    log.write(vec![
        put("consumers/ann", spec.clone()),
        put("consumers/bob", spec),
    ]);
}

#[test]
fn a_plugin_stands_in_one_global_rule_only() {
    let mut log = Log::default();
    let rule = |id| put(id, json!({"plugins": {"prometheus": {}}}));
    log.write(vec![rule("global_rules/1")]);
    log.write(vec![rule("global_rules/1")]);
    assert_eq!(
        log.problem(vec![rule("global_rules/2")]),
        "plugin 'prometheus' already exists in global rule with id '1'"
    );
}
