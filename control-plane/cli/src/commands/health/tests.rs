use weir_proto::health::{Counters, UpstreamHealth};

use super::*;

fn node(host: &str, status: &str) -> NodeHealth {
    NodeHealth {
        host: host.to_owned(),
        ip: host.to_owned(),
        port: 80,
        status: status.to_owned(),
        ..NodeHealth::default()
    }
}

fn agent(name: &str, nodes: Vec<NodeHealth>) -> AgentHealth {
    AgentHealth {
        name: name.to_owned(),
        upstream: Some(UpstreamHealth {
            nodes,
            ..UpstreamHealth::default()
        }),
        ..AgentHealth::default()
    }
}

fn shown(agents: Vec<AgentHealth>) -> Shown {
    let key: Key = "upstreams/1".parse().unwrap();
    Shown {
        told: GetResponse {
            key: Some((&key).into()),
            agents,
            checked: true,
            ..GetResponse::default()
        },
        now_ms: 100_000,
    }
}

#[test]
fn a_row_tells_the_state_since_when_and_why() {
    let down = NodeHealth {
        since_ms: 70_000,
        reason: "2 tcp failures in probes, last: connect: refused\u{7}".to_owned(),
        counters: Some(Counters {
            tcp_failures: 2,
            ..Counters::default()
        }),
        ..node("10.0.0.2", "unhealthy")
    };
    let ejected = NodeHealth {
        last_error: "status 500".to_owned(),
        last_error_ms: 90_000,
        ejected_until_ms: 130_000,
        ..node("::1", "unhealthy")
    };
    let named = NodeHealth {
        ip: "10.0.0.4".to_owned(),
        slow_start_until_ms: 110_000,
        ..node("n.test", "healthy")
    };
    let mut edge = agent(
        "edge",
        vec![node("10.0.0.1", "healthy"), down, ejected, named],
    );
    edge.upstream.as_mut().unwrap().left_out = 3;
    assert_eq!(
        shown(vec![edge]).text(Format::Table, Palette::PLAIN),
        "\
degraded
AGENT  NODE                  STATUS     SINCE  COUNTERS  WHY
edge   10.0.0.1:80           healthy    -      -         -
edge   10.0.0.2:80           unhealthy  30s    tcp 2     2 tcp failures in probes, last: connect: refused\\u{7}
edge   [::1]:80              unhealthy  -      -         10s ago: status 500; ejected for 30s more
edge   n.test:80 (10.0.0.4)  healthy    -      -         slow start for 10s more
edge: 3 more nodes are not shown
"
    );
}

#[test]
fn the_fallback_is_named() {
    let mut edge = agent("edge", vec![node("10.0.0.1", "unhealthy")]);
    let upstream = edge.upstream.as_mut().unwrap();
    upstream.all_unhealthy = true;
    upstream.fallback = "spare".to_owned();
    let text = shown(vec![edge]).text(Format::Table, Palette::PLAIN);
    assert!(
        text.ends_with("edge: no node is healthy, requests go to upstream spare\n"),
        "{text}"
    );
}

#[test]
fn names_are_the_nodes_once_and_nothing_is_no_text() {
    let agents = ["a", "b"].map(|name| agent(name, vec![node("10.0.0.1", "healthy")]));
    let both = shown(agents.to_vec());
    assert_eq!(both.text(Format::Name, Palette::PLAIN), "10.0.0.1:80\n");
    let none = shown(Vec::new());
    assert_eq!(none.text(Format::Table, Palette::PLAIN), "");
    assert_eq!(none.data()["status"], "unknown");
}

#[test]
fn a_lone_word_is_an_upstream() {
    let ok = |what, id| wanted(what, id).map(|key| key.to_string()).ok();
    assert_eq!(ok("shop", None).as_deref(), Some("upstreams/shop"));
    assert_eq!(ok("route", Some("1")).as_deref(), Some("routes/1"));
    assert_eq!(ok("services/x", None).as_deref(), Some("services/x"));
    assert_eq!(ok("consumer/x", None), None);
    assert_eq!(ok("rout", Some("1")), None);
}
