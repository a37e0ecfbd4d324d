use serde_json::{Value, json};
use weir_plugin_api::Plugin;
use weir_plugin_api::testkit::{FakeHost, RequestBuilder, request};

use super::RealIp;
use crate::tests::{answer, plugin, refusal};

/// The client's address afterwards; the peer is 192.0.2.1.
fn seen(config: &Value, builder: RequestBuilder) -> String {
    let mut context = builder.context(FakeHost::shared());
    assert!(answer(plugin::<RealIp>(config.clone()).rewrite(&mut context)).is_none());
    context.request.client_ip.to_string()
}

#[test]
fn a_variable_names_the_client() {
    let config = json!({"source": "arg_ip"});
    for (target, address) in [
        ("/?ip=198.51.100.7", "198.51.100.7"),
        ("/?ip=198.51.100.7:80", "198.51.100.7"),
        ("/?ip=2001:db8::1", "2001:db8::1"),
        ("/?ip=[2001:db8::1]", "2001:db8::1"),
        ("/?ip=[2001:db8::1]:80", "2001:db8::1"),
        ("/?ip=::ffff:198.51.100.7", "198.51.100.7"),
        ("/?ip=198.51.100.7:0", "192.0.2.1"),
        ("/?ip=198.51.100.7:65536", "192.0.2.1"),
        ("/?ip=host", "192.0.2.1"),
        ("/?ip=198.51.100.7,1.1.1.1", "192.0.2.1"),
        ("/", "192.0.2.1"),
    ] {
        assert_eq!(seen(&config, request(target)), address, "{target}");
    }
}

#[test]
fn the_port_is_taken_where_one_is_told() {
    let plugin = plugin::<RealIp>(json!({"source": "arg_ip"}));
    let port = |target: &str| {
        let mut context = request(target).context(FakeHost::shared());
        assert!(answer(plugin.rewrite(&mut context)).is_none());
        context.request.client_port
    };
    let own = port("/");
    assert_eq!(port("/?ip=198.51.100.7:7090"), 7090);
    assert_eq!(port("/?ip=[::2]:80"), 80);
    assert_eq!(port("/?ip=198.51.100.7"), own);
}

#[test]
fn only_trusted_peers_are_believed() {
    let config = |net: &str| json!({"source": "arg_ip", "trusted_addresses": [net]});
    let target = "/?ip=198.51.100.7";
    assert_eq!(
        seen(&config("192.0.2.0/24"), request(target)),
        "198.51.100.7"
    );
    assert_eq!(seen(&config("10.0.0.0/8"), request(target)), "192.0.2.1");
}

#[test]
fn a_forwarded_list_is_read_from_its_end() {
    let last = json!({"source": "http_x_forwarded_for"});
    let walk = json!({"source": "http_x_forwarded_for", "recursive": true,
        "trusted_addresses": ["192.0.2.0/24", "10.0.0.0/8"]});
    for (list, of_last, of_walk) in [
        ("198.51.100.7", "198.51.100.7", "198.51.100.7"),
        (
            "1.1.1.1, 198.51.100.7, 10.0.0.1",
            "10.0.0.1",
            "198.51.100.7",
        ),
        ("10.0.0.3,10.0.0.2,10.0.0.1", "10.0.0.1", "10.0.0.3"),
        ("1.1.1.1, junk, 10.0.0.1", "10.0.0.1", "192.0.2.1"),
    ] {
        let builder = || request("/").header("x-forwarded-for", list);
        assert_eq!(seen(&last, builder()), of_last, "{list}");
        assert_eq!(seen(&walk, builder()), of_walk, "{list}");
    }
    let lines = request("/")
        .header("x-forwarded-for", "1.1.1.1")
        .header("x-forwarded-for", "198.51.100.7");
    assert_eq!(seen(&walk, lines), "198.51.100.7");
}

#[test]
fn wrong_configurations_are_refused() {
    refusal::<RealIp>(json!({}));
    assert!(refusal::<RealIp>(json!({"source": "no_such_thing"})).starts_with("source: "));
    refusal::<RealIp>(json!({"source": "arg_ip", "trusted_addresses": ["x"]}));
}
