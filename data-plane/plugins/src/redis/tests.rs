use std::time::Duration;

use serde_json::{Value, json};
use weir_model::{Key, Kind};
use weir_plugin_api::Living;
use weir_plugin_api::outside::{RedisAddress, RedisValue};

use super::{Policy, RedisSettings, Store, name, numbers};
use crate::tests::on_route;

fn settings(value: Value) -> RedisSettings {
    serde_json::from_value(value).unwrap()
}

#[test]
fn a_single_server_has_defaults() {
    let server = settings(json!({"redis_host": "cache.test"})).server(Policy::Redis);
    let server = server.unwrap().unwrap();
    assert_eq!(
        server.address,
        RedisAddress::Single("cache.test".into(), 6379)
    );
    assert_eq!((server.tls, server.database), (None, 0));
    assert_eq!(server.timeout, Duration::from_secs(1));
}

#[test]
fn every_setting_of_a_server_is_used() {
    let server = settings(json!({
        "redis_host": "cache.test", "redis_port": 7000, "redis_username": "u", "redis_password": "p",
        "redis_database": 3, "redis_ssl": true, "redis_ssl_verify": true, "redis_timeout": 50,
    }));
    let server = server.server(Policy::Redis).unwrap().unwrap();
    assert_eq!(
        server.address,
        RedisAddress::Single("cache.test".into(), 7000)
    );
    assert_eq!(server.username.as_deref(), Some("u"));
    assert_eq!(server.password.as_deref(), Some("p"));
    assert_eq!((server.tls, server.database), (Some(true), 3));
    assert_eq!(server.timeout, Duration::from_millis(50));
}

#[test]
fn nodes_of_a_cluster_are_hosts_and_ports() {
    let given =
        json!({"redis_cluster_nodes": ["a.test:7000", "[::1]:7001"], "redis_cluster_ssl": true});
    let server = settings(given)
        .server(Policy::RedisCluster)
        .unwrap()
        .unwrap();
    let nodes = vec![("a.test".to_owned(), 7000), ("::1".to_owned(), 7001)];
    assert_eq!(server.address, RedisAddress::Cluster(nodes));
    assert_eq!(server.tls, Some(false));
    for node in ["a.test", "a.test:", ":7000", "a.test:0", "a.test:70000"] {
        let refused = settings(json!({"redis_cluster_nodes": [node]})).server(Policy::RedisCluster);
        assert_eq!(
            refused.unwrap_err(),
            format!("redis_cluster_nodes[0] must be HOST:PORT, got {node:?}")
        );
    }
}

#[test]
fn sentinels_know_the_primary_and_only_that_one_counts() {
    let mut given = json!({
        "redis_sentinels": [{"host": "s.test", "port": 26379}], "redis_master_name": "main",
        "sentinel_username": "su", "sentinel_password": "sp", "redis_read_timeout": 2000,
    });
    let server = settings(given.clone())
        .server(Policy::RedisSentinel)
        .unwrap()
        .unwrap();
    assert_eq!(
        server.address,
        RedisAddress::Sentinel {
            sentinels: vec![("s.test".into(), 26379)],
            primary: "main".into(),
            username: Some("su".into()),
            password: Some("sp".into()),
        }
    );
    assert_eq!(server.timeout, Duration::from_secs(2));
    given["redis_role"] = json!("slave");
    let refused = settings(given).server(Policy::RedisSentinel).unwrap_err();
    assert!(refused.contains("use master"), "{refused}");
}

#[test]
fn nothing_secret_is_shown() {
    let shown = settings(
        json!({"redis_host": "h", "redis_username": "hidden", "redis_password": "hidden"}),
    );
    assert!(!format!("{shown:?}").contains("hidden"));
}

#[test]
fn keys_belong_to_owner_configuration_and_value() {
    let (owner, living) = (Key::new(Kind::Route, "1"), Living::default());
    let store = |fingerprint: &str, group: Option<&str>| {
        let context = on_route(&owner, fingerprint, &living, None);
        let server = settings(json!({"redis_host": "h"})).server(Policy::Redis);
        Store::new("limit-count", server.unwrap().unwrap(), &context, group)
    };
    let key = store("aa", None).key("192.0.2.1");
    assert!(
        key.starts_with("weir:limit-count:") && key.ends_with(":aa:192.0.2.1"),
        "{key}"
    );
    assert_ne!(key, store("bb", None).key("192.0.2.1"));
    assert_eq!(
        store("aa", Some("g")).key("x"),
        store("bb", Some("g")).key("x")
    );
}

#[test]
fn what_clients_send_does_not_choose_the_slot_nor_fill_the_memory() {
    assert_eq!(name("192.0.2.1"), "192.0.2.1");
    for value in ["{a}", "#a", "a b", "é", "\u{0}", &"x".repeat(65)] {
        let name = name(value);
        assert!(name.len() == 33 && name.starts_with('#'), "{name}");
        assert!(
            name[1..].bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{name}"
        );
    }
    assert_ne!(name("{a}"), name("{b}"));
}

#[test]
fn answers_of_another_form_are_errors() {
    let list = RedisValue::List(vec![RedisValue::Integer(1), RedisValue::Integer(-2)]);
    assert_eq!(numbers::<2>(&list), Ok([1, -2]));
    assert!(numbers::<3>(&list).is_err());
    assert!(numbers::<2>(&RedisValue::Nil).is_err());
}
