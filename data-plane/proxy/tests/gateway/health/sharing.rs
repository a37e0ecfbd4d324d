//! Who is probed: exactly the nodes of the newest configuration, once each.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use weir_model::Key;

use super::{Bed, checked, origin, route};
use crate::setup::{eventually, with};

#[test]
fn upstreams_with_the_same_check_share_one_prober_and_one_state() {
    let (node, health) = origin("a");
    let documents: Vec<(String, Value)> = (0..20)
        .map(|number| (format!("upstreams/{number}"), checked(&[node.address])))
        .chain([(
            "upstreams/other".to_owned(),
            with(
                checked(&[node.address]),
                json!({"pass_host": "rewrite", "upstream_host": "other.test"}),
            ),
        )])
        .collect();
    let documents: Vec<(&str, Value)> = documents
        .iter()
        .map(|(key, spec)| (key.as_str(), spec.clone()))
        .collect();
    let bed = Bed::new(&documents);
    eventually("probes begin", || !node.seen().is_empty());
    assert_eq!(
        bed.gateway.checkers().probed(),
        [node.address; 2],
        "one for twenty upstreams, one for the upstream with another Host"
    );
    health.store(500, Ordering::SeqCst);
    for number in 0..20 {
        bed.wait_for(
            &format!("upstreams/{number}"),
            node.address.port(),
            "unhealthy",
        );
    }
}

#[test]
fn probes_go_to_exactly_the_configured_nodes_after_ten_thousand_changes() {
    let spec = |round: usize| {
        let address = |number: usize| {
            let host = format!("127.77.{}.{}", number / 250, number % 250 + 1);
            format!("{host}:9")
        };
        // A window of ten nodes that moves over a thousand addresses, back and forth.
        let first = round * 7 % 990;
        let nodes: serde_json::Map<String, Value> = (first..first + 10)
            .map(|number| (address(number), json!(1 + round % 3)))
            .collect();
        with(checked(&[]), json!({"nodes": nodes}))
    };
    let mut bed = Bed::new(&[("upstreams/1", spec(0)), ("routes/1", route("1"))]);
    // Sockets towards these addresses, as the kernel lists them: 127.77.x.y, port 9.
    let sockets = || {
        let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
        let remotes = table
            .lines()
            .filter_map(|line| line.split_whitespace().nth(2));
        remotes
            .filter(|remote| remote.ends_with("4D7F:0009"))
            .count()
    };
    for round in 1..=10_000 {
        bed.change("upstreams/1", spec(round));
    }
    let configured = |round: usize| {
        let nodes = spec(round)["nodes"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>();
        let mut nodes: Vec<SocketAddr> = nodes.iter().map(|node| node.parse().unwrap()).collect();
        nodes.sort_unstable();
        nodes
    };
    eventually("the probers are those of the last change", || {
        bed.gateway.checkers().probed() == configured(10_000)
    });
    for node in configured(10_000) {
        let key = "upstreams/1".parse::<Key>().unwrap();
        let checks = bed.gateway.checkers().checks();
        let shown = checks[&key].nodes.iter();
        assert!(
            shown
                .map(|target| target.place.ip)
                .any(|ip| ip == node.ip())
        );
    }
    // Nothing is left of what was: state, sockets.
    eventually("state of nodes that are gone is dropped", || {
        bed.env.living.sweep();
        bed.env.living.count() < 10 * 3 + 20
    });
    eventually("only probes of configured nodes are open", || {
        sockets() <= 10
    });
    bed.change("upstreams/1", json!({"nodes": {"127.0.0.1:9": 1}}));
    eventually("no checks, no probes", || {
        bed.gateway.checkers().probed().is_empty()
    });
}

#[test]
fn probes_come_as_often_as_configured_however_often_the_configuration_changes() {
    let (node, _) = origin("a");
    let mut bed = Bed::new(&[("upstreams/1", checked(&[node.address]))]);
    let started = Instant::now();
    eventually("probes begin", || !node.seen().is_empty());
    // Changes that do not touch the check, while three intervals pass.
    let mut round: u32 = 0;
    while started.elapsed() < Duration::from_secs(3) {
        round += 1;
        let upstream = with(checked(&[node.address]), json!({"desc": round.to_string()}));
        bed.change("upstreams/1", upstream);
        bed.change("upstreams/other", checked(&[node.address]));
        std::thread::yield_now();
    }
    let probes = node.connections();
    let seconds = started.elapsed().as_secs_f64();
    // One a second, with a tenth of jitter, the first within half a second.
    let (least, most) = ((seconds - 0.5) / 1.1, 1.0 + seconds / 0.9);
    assert!(
        (least.floor()..=most.ceil()).contains(&(probes as f64)),
        "{probes} probes in {seconds} s, over {round} changes"
    );
}
