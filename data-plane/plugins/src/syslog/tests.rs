use serde_json::json;
use weir_plugin_api::outside::{SocketKind, SocketTarget};

use super::lanes::Lanes;
use super::{Syslog, message};
use crate::tests::{plugin, refusal};

#[test]
fn messages_have_the_fields_of_rfc_5424() {
    let process = std::process::id();
    let text = message("2023-11-14T22:13:20.000Z", "a.com", "{\"n\":1}");
    let expected =
        format!("<46>1 2023-11-14T22:13:20.000Z a.com apisix {process} - - {{\"n\":1}}\n");
    assert_eq!(text, expected);
    for host in ["", "a b", &"a".repeat(256), "ä"] {
        let text = message("T", host, "{}");
        assert_eq!(text, format!("<46>1 T - apisix {process} - - {{}}\n"));
    }
}

#[test]
fn wrong_configurations_are_refused() {
    plugin::<Syslog>(json!({"host": "a", "port": 514}));
    plugin::<Syslog>(json!({"host": "a", "port": 514, "tls": true}));
    refusal::<Syslog>(json!({"host": "a"}));
    let both = json!({"host": "a", "port": 514, "tls": true, "sock_type": "udp"});
    assert_eq!(refusal::<Syslog>(both), "tls: there is none over udp");
    let nothing = json!({"host": "a", "port": 514, "drop_limit": 0});
    assert_eq!(
        refusal::<Syslog>(nothing),
        "drop_limit: expected a number above 0"
    );
}

#[test]
fn busy_connections_are_passed_over() {
    let target = SocketTarget {
        kind: SocketKind::Tcp,
        host: "a".into(),
        port: 1,
        server_name: None,
        timeout: std::time::Duration::ZERO,
        keepalive: std::time::Duration::ZERO,
        lane: 0,
    };
    let lanes = Lanes::new(target, 2);
    let first = lanes.enter().unwrap();
    assert_eq!(first.number(), 0);
    let second = lanes.enter().unwrap();
    assert_eq!(second.number(), 1);
    assert_eq!(lanes.enter().unwrap().number(), 1);
    drop(first);
    assert_eq!(lanes.enter().unwrap().number(), 0);
}
