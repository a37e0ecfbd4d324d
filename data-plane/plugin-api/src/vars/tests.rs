use std::time::Duration;

use super::*;
use crate::context::RouteInfo;
use crate::host::{Consumer, Location};
use crate::request::{Relay, RequestHead};
use crate::testkit::{FakeHost, request};
use crate::tried::Tried;

fn text(variables: &dyn Variables, name: &str) -> Option<String> {
    match variables.get(&Variable::parse(name))? {
        Var::Text(text) => Some(text.into_owned()),
        Var::Json(value) => Some(value.to_string()),
    }
}

#[test]
fn what_a_relay_says_is_told_apart_from_who_it_is() {
    let mut head = request("/").client("192.0.2.7:1234").head();
    let host = FakeHost::shared();
    let values = |head: &RequestHead| {
        let variables = HeadVariables {
            head,
            params: &[],
            host: &*host,
        };
        [
            "remote_addr",
            "remote_port",
            "realip_remote_addr",
            "realip_remote_port",
            "proxy_protocol_addr",
            "proxy_protocol_port",
            "proxy_protocol_server_addr",
            "proxy_protocol_server_port",
        ]
        .map(|name| text(&variables, name).unwrap_or_default())
    };
    let without = ["192.0.2.7", "1234", "192.0.2.7", "1234", "", "", "", ""];
    assert_eq!(values(&head), without);
    head.relay = Some(Relay {
        address: "10.0.0.1:99".parse().unwrap(),
        destination: "198.51.100.2:443".parse().unwrap(),
    });
    let with = [
        "192.0.2.7",
        "1234",
        "10.0.0.1",
        "99",
        "192.0.2.7",
        "1234",
        "198.51.100.2",
        "443",
    ];
    assert_eq!(values(&head), with);
}

#[test]
fn the_head_is_known_before_the_route() {
    let head = request("/a%20b?x=1&y=a+b&x=2")
        .header("x-version", "v1")
        .header("x-version", "v2")
        .header("cookie", "a=1; session=s=2")
        .header("authorization", "Basic amFjazpzZWNyZXQ=")
        .head();
    let params = [
        (Arc::from("id"), "7".to_owned()),
        (Arc::from("1"), "r".into()),
    ];
    let host = FakeHost::shared();
    let berlin = Location {
        country: Some("DE".into()),
        continent: Some("EU".into()),
    };
    host.add_location(head.client_ip, berlin);
    let variables = HeadVariables {
        head: &head,
        params: &params,
        host: &*host,
    };
    for (name, value) in [
        ("uri", Some("/a b")),
        ("request_uri", Some("/a b?x=1&y=a+b&x=2")),
        ("real_request_uri", Some("/a%20b?x=1&y=a+b&x=2")),
        ("args", Some("x=1&y=a+b&x=2")),
        ("is_args", Some("?")),
        ("host", Some("example.com")),
        ("scheme", Some("http")),
        ("request_method", Some("GET")),
        ("remote_addr", Some("192.0.2.1")),
        ("client_ip", Some("192.0.2.1")),
        ("remote_port", Some("50000")),
        ("server_port", Some("9080")),
        ("arg_x", Some("1")),
        ("query_arg_y", Some("a b")),
        ("http_x_version", Some("v1, v2")),
        ("header_x-version", Some("v1, v2")),
        ("cookie_session", Some("s=2")),
        ("cookie_none", None),
        ("uri_param_id", Some("7")),
        ("1", Some("r")),
        ("id", None),
        ("http_host", Some("example.com")),
        ("request", Some("GET /a%20b?x=1&y=a+b&x=2 HTTP/1.1")),
        ("remote_user", Some("jack")),
        ("geoip_country", Some("DE")),
        ("geoip_continent", Some("EU")),
        ("hostname", Some("test-host")),
        ("msec", Some("1700000000.000")),
        ("request_type", Some("traditional_http")),
        ("sent_http_etag", None),
        ("route_id", None),
        ("", None),
    ] {
        assert_eq!(text(&variables, name).as_deref(), value, "{name}");
    }
}

#[test]
fn the_rest_is_known_as_the_request_goes_on() {
    let host = FakeHost::shared();
    host.advance(Duration::from_millis(1500));
    let mut context = request("/").context(host);
    assert_eq!(text(&context, "route_id"), None);
    assert_eq!(text(&context, "consumer_name"), None);
    assert_eq!(text(&context, "balancer_ip"), None);
    // Picked, and not connected to yet.
    context.record.node_authority = "node.test:80".into();
    assert_eq!(text(&context, "balancer_ip"), None);
    context.record.node_authority = "127.0.0.2:81".into();
    assert_eq!(text(&context, "balancer_ip").as_deref(), Some("127.0.0.2"));
    assert_eq!(text(&context, "balancer_port").as_deref(), Some("81"));
    context.route = Some(Arc::new(RouteInfo {
        id: "r".into(),
        ..RouteInfo::default()
    }));
    context.attach_consumer(Arc::new(Consumer {
        name: "jack".into(),
        group_id: Some("g".into()),
        ..Consumer::default()
    }));
    context.record.node = "127.0.0.1:80".parse().ok();
    context.record.upstream_statuses = vec![502, 200];
    context.record.request_bytes = 120;
    context.record.node_host = "node.test".into();
    context.target.uri = Some("/new?a=1".into());
    for (name, value) in [
        ("route_id", "r"),
        ("consumer_name", "jack"),
        ("consumer_group_id", "g"),
        ("balancer_ip", "127.0.0.1"),
        ("balancer_port", "80"),
        ("upstream_addr", "127.0.0.1:80"),
        ("upstream_status", "502, 200"),
        ("request_length", "120"),
        ("upstream_unresolved_host", "node.test"),
        ("upstream_uri", "/new?a=1"),
        ("hostname", "test-host"),
        ("msec", "1700000001.500"),
        ("time_iso8601", "2023-11-14T22:13:21+00:00"),
    ] {
        assert_eq!(text(&context, name).as_deref(), Some(value), "{name}");
    }
    let ms = Duration::from_millis;
    context.record.tries = vec![
        Tried {
            node: "node.test:80".into(),
            connect: None,
            first_byte: None,
            total: ms(5),
        },
        Tried {
            node: "127.0.0.1:80".into(),
            connect: Some(Duration::ZERO),
            first_byte: Some(ms(20)),
            total: ms(1021),
        },
    ];
    for (name, value) in [
        ("upstream_addr", "node.test:80, 127.0.0.1:80"),
        ("upstream_response_time", "0.005, 1.021"),
        ("upstream_connect_time", "-, 0.000"),
        ("upstream_header_time", "-, 0.020"),
        ("balancer_ip", "127.0.0.1"),
    ] {
        assert_eq!(text(&context, name).as_deref(), Some(value), "{name}");
    }
    // Empty means absent, so that templates can fall back.
    assert_eq!(text(&context, "route_name"), None);
}
