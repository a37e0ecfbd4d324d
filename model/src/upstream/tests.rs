use serde_json::json;

use super::*;
use crate::field::variable::Variable;

fn parse(spec: Value) -> Upstream {
    Upstream::parse(&spec).unwrap()
}

fn node(host: &str, port: Option<u16>, weight: u32) -> Node {
    Node {
        address: None,
        host: host.to_owned(),
        port,
        weight,
        priority: 0,
        metadata: serde_json::Map::new(),
    }
}

#[test]
fn both_forms_of_nodes_become_one() {
    let map = parse(json!({"nodes": {"a.com:80": 1, "b.com": 2, "[::1]:81": 3, "[::2]": 0}}));
    assert_eq!(
        map.nodes,
        [
            node("a.com", Some(80), 1),
            node("b.com", None, 2),
            node("::1", Some(81), 3),
            node("::2", None, 0),
        ]
    );
    let list = parse(json!({"nodes": [
        {"host": "a.com", "port": 80, "weight": 1},
        {"host": "[::1]", "port": 81.0, "weight": 3.0, "priority": -1,
         "metadata": {"region": "eu", "zone": "eu-1", "free": [1]}}
    ]}));
    assert_eq!(list.nodes[0], map.nodes[0]);
    assert_eq!(list.nodes[1].host, "::1");
    assert_eq!(list.nodes[1].port, Some(81));
    assert_eq!(list.nodes[1].priority, -1);
    assert_eq!(list.nodes[1].region(), Some("eu"));
    assert_eq!(list.nodes[1].zone(), Some("eu-1"));
}

#[test]
fn no_nodes_are_fine_in_both_forms() {
    assert!(parse(json!({"nodes": {}})).nodes.is_empty());
    assert!(parse(json!({"nodes": []})).nodes.is_empty());
}

#[test]
fn defaults_are_those_of_apisix() {
    let upstream = parse(json!({"nodes": {}}));
    assert_eq!(upstream.balancer, Balancer::RoundRobin);
    assert_eq!(upstream.scheme, Scheme::Http);
    assert_eq!(upstream.pass_host, PassHost::Pass);
    assert_eq!(upstream.retries, None);
    assert_eq!(upstream.retry_timeout, None);
    assert_eq!(upstream.timeout, None);
    let pooled = parse(json!({"nodes": {}, "keepalive_pool": {}}));
    assert_eq!(pooled.keepalive_pool, Some(KeepalivePool::default()));
}

#[test]
fn a_retry_timeout_of_zero_is_no_limit() {
    assert_eq!(
        parse(json!({"nodes": {}, "retry_timeout": 0})).retry_timeout,
        None
    );
    assert_eq!(
        parse(json!({"nodes": {}, "retry_timeout": 0.5})).retry_timeout,
        Some(Duration::from_millis(500))
    );
}

#[test]
fn hash_keys_have_one_name() {
    let key = |hash_on: &str, key: &str| {
        let spec = json!({"nodes": {}, "type": "chash", "hash_on": hash_on, "key": key});
        match parse(spec).balancer {
            Balancer::ConsistentHash(key) => key,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        key("vars", "client_ip"),
        HashKey::Variable(Variable::parse("remote_addr"))
    );
    assert_eq!(
        key("vars", "query_arg_u"),
        HashKey::Variable(Variable::parse("arg_u"))
    );
    assert_eq!(
        key("header", "X-Tenant"),
        HashKey::Variable(Variable::parse("http_x_tenant"))
    );
    assert_eq!(
        key("cookie", "Sid"),
        HashKey::Variable(Variable::parse("cookie_Sid"))
    );
    assert_eq!(
        key("consumer", "x"),
        HashKey::Variable(Variable::parse("consumer_name"))
    );
    assert!(matches!(
        key("vars_combinations", "$uri-$arg_a"),
        HashKey::Combination(_)
    ));
}

#[test]
fn a_session_of_chrr_is_the_client_address_unless_it_says_otherwise() {
    assert_eq!(
        parse(json!({"nodes": {}, "type": "chrr"})).balancer,
        Balancer::Chained {
            key: HashKey::Variable(Variable::parse("remote_addr")),
            conf: ChainedRoundRobin::default(),
        }
    );
}

#[test]
fn names_of_balancers_that_nobody_knows_are_kept() {
    assert_eq!(
        parse(json!({"nodes": {}, "type": "magic"})).balancer,
        Balancer::Unknown("magic".into())
    );
}

#[test]
fn checks_without_details_have_the_defaults_of_their_side() {
    let checks = parse(json!({"nodes": {}, "checks": {"active": {}, "passive": {}}}))
        .checks
        .unwrap();
    assert_eq!(checks.active, Some(ActiveCheck::default()));
    assert_eq!(checks.passive, Some(PassiveCheck::default()));
    let spec = json!({"nodes": {}, "checks": {"passive": {"healthy": {}, "unhealthy": {}}}});
    let passive = parse(spec).checks.unwrap().passive;
    assert_eq!(passive, Some(PassiveCheck::default()));
}

#[test]
fn the_typed_defaults_are_those_of_the_schema() {
    // Objects that are there but empty are filled by the schema; absent ones by the types.
    let spec = json!({"nodes": {}, "chrr_conf": {}, "type": "chrr", "retry_backoff": {},
                      "checks": {"active": {"healthy": {}, "unhealthy": {}}}});
    let upstream = parse(spec);
    assert_eq!(
        upstream.checks.unwrap().active,
        Some(ActiveCheck::default())
    );
    assert_eq!(upstream.retry_backoff, Some(RetryBackoff::default()));
    assert!(matches!(
        upstream.balancer,
        Balancer::Chained { conf, .. } if conf == ChainedRoundRobin::default()
    ));
}

#[test]
fn extensions_are_read() {
    let upstream = parse(json!({
        "nodes": {"a": 1}, "dns_resolver": ["10.0.0.2:53"], "dns_ttl": 60,
        "fallback_upstream_id": 7, "locality": {"failover": ["eu"]},
        "tls": {"verify_upstream_cert": true, "client_cert_id": "a", "client_key_id": "b",
                "upstream_validation_id": "c"}
    }));
    assert_eq!(upstream.dns_resolver, ["10.0.0.2:53"]);
    assert_eq!(upstream.dns_ttl, Some(Duration::from_secs(60)));
    assert_eq!(upstream.fallback_upstream_id.as_deref(), Some("7"));
    assert_eq!(upstream.locality.unwrap().mode, LocalityMode::Prefer);
    let tls = upstream.tls.unwrap();
    assert!(tls.verify);
    assert_eq!(tls.client_key_id.as_deref(), Some("b"));
}

#[test]
fn nodes_may_be_sockets() {
    for nodes in [
        json!({"unix:/run/app.sock": 2}),
        json!([{"host": "unix:/run/app.sock", "weight": 2}]),
    ] {
        let upstream = parse(json!({"nodes": nodes}));
        let node = &upstream.nodes[0];
        assert_eq!(node.socket_path(), Some("/run/app.sock"));
        assert_eq!((node.port, node.weight), (None, 2));
    }
    let upstream = parse(json!({"nodes": {"unix.test:80": 1}}));
    assert_eq!(upstream.nodes[0].socket_path(), None);
}

#[test]
fn transport_is_read() {
    let upstream = parse(json!({
        "nodes": {"a": 1}, "scheme": "https", "http_version": "auto", "proxy_protocol": "v2",
        "tls": {"ca_certs": "c".repeat(128)}
    }));
    assert_eq!(upstream.http_version, HttpVersion::Auto);
    assert_eq!(upstream.proxy_protocol, Some(ProxyProtocol::V2));
    assert_eq!(upstream.tls.unwrap().ca_certs, ["c".repeat(128)]);
    let upstream = parse(json!({"nodes": {"a": 1}, "tls": {"ca_certs": ["d".repeat(128)]}}));
    assert_eq!(upstream.http_version, HttpVersion::One);
    assert_eq!(upstream.tls.unwrap().ca_certs, ["d".repeat(128)]);
}

#[test]
fn addresses_are_split_strictly() {
    for (text, split) in [
        ("a:80", Ok(("a", Some(80)))),
        ("a", Ok(("a", None))),
        ("[::1]:80", Ok(("::1", Some(80)))),
        ("[::1]", Ok(("::1", None))),
        ("a:0", Err("invalid port 0")),
        ("a:x", Err("invalid port x")),
        ("a:", Err("invalid port ")),
        ("::1", Err("IPv6 address must be enclosed with '[' and ']'")),
        ("unix:/run/a.sock", Ok(("unix:/run/a.sock", None))),
        (
            "unix:run/a.sock",
            Err("expected unix: and an absolute path of at most 107 bytes, got unix:run/a.sock"),
        ),
        (
            "[::1",
            Err("IPv6 address must be enclosed with '[' and ']'"),
        ),
    ] {
        assert_eq!(split_address(text), split.map_err(str::to_owned), "{text}");
    }
}

#[test]
fn retries_are_bounded_when_nothing_is_said() {
    let upstream = parse(json!({"nodes": {}}));
    let budget = RetryBudget {
        percent: 20.0,
        min: 3,
    };
    assert_eq!(upstream.retry_budget, budget);
    assert_eq!(
        upstream.retry_on.conditions,
        [RetryCondition::Error, RetryCondition::Timeout]
    );
    assert!(upstream.retry_on.statuses.is_empty());
    assert_eq!(upstream.retry_on.methods, None);
    assert_eq!(upstream.hedge, None);
    assert_eq!(upstream.limits, UpstreamLimits::default());
}

#[test]
fn retries_and_limits_are_read() {
    let upstream = parse(json!({
        "nodes": {}, "request_timeout": 2.5, "try_timeout": 1, "hedge": {"after": 0.2},
        "retry_on": {"statuses": [503], "conditions": ["timeout"], "methods": ["GET", "POST"]},
        "retry_budget": {"percent": 12.5},
        "limits": {"max_requests": 10, "node": {"max_requests": 2.0}},
    }));
    assert_eq!(upstream.request_timeout, Some(Duration::from_millis(2500)));
    assert_eq!(upstream.try_timeout, Some(Duration::from_secs(1)));
    let hedge = upstream.hedge.unwrap();
    assert_eq!((hedge.after, hedge.max), (Duration::from_millis(200), 1));
    assert_eq!(upstream.retry_on.statuses, [503]);
    assert_eq!(upstream.retry_on.conditions, [RetryCondition::Timeout]);
    assert_eq!(
        (upstream.retry_budget.percent, upstream.retry_budget.min),
        (12.5, 3)
    );
    assert_eq!(upstream.limits.all.max_requests, Some(10));
    assert_eq!(upstream.limits.node.max_requests, Some(2));
}

#[test]
fn what_cannot_work_is_refused_with_its_path() {
    for (field, value, path) in [
        ("hedge", json!({}), "hedge"),
        ("hedge", json!({"after": 0}), "hedge"),
        ("retry_on", json!({"statuses": [200]}), "retry_on"),
        ("retry_on", json!({"conditions": ["often"]}), "retry_on"),
        ("retry_on", json!({"methods": ["get"]}), "retry_on"),
        ("retry_budget", json!({"percent": -1}), "retry_budget"),
        ("limits", json!({"max_requests": 0}), "limits"),
        ("limits", json!({"max_conns": 1}), "limits"),
        ("limits", json!({"node": {"max_requests": -1}}), "limits"),
        ("request_timeout", json!(0), "request_timeout"),
    ] {
        let spec = json!({"nodes": {}, field: value});
        let problem = Upstream::parse(&spec).unwrap_err().to_string();
        assert!(problem.contains(path), "{spec}: {problem}");
    }
}

#[test]
fn arguments_of_discovery_are_an_active_http_check() {
    let upstream = |spec| Upstream::parse(spec).unwrap();
    let spec = json!({"service_name": "s", "discovery_type": "dns",
        "discovery_args": {"health_check_path": "/up", "health_check_interval": 4}});
    let checks = upstream(&spec).checks_in_force().unwrap();
    let active = checks.active.unwrap();
    assert_eq!(
        (active.kind, active.http_path.as_str()),
        (CheckType::Http, "/up")
    );
    assert_eq!(active.healthy.interval, Duration::from_secs(4));
    assert_eq!(active.unhealthy.interval, Duration::from_secs(4));

    let own = json!({"service_name": "s", "discovery_type": "dns",
        "checks": {"active": {"http_path": "/mine"}},
        "discovery_args": {"health_check_path": "/up"}});
    let checks = upstream(&own).checks_in_force().unwrap();
    assert_eq!(checks.active.unwrap().http_path, "/mine");

    let none = json!({"service_name": "s", "discovery_type": "dns"});
    assert_eq!(upstream(&none).checks_in_force(), None);
}
