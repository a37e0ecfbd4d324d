//! Which node a request gets: exact shares, sticky keys, no node twice.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use weir_model::Key;
use weir_model::endpoint::Endpoints;
use weir_model::upstream::Upstream;
use weir_plugin_api::testkit::{FakeHost, request};
use weir_plugin_api::{Context, Living};
use weir_proxy::upstream::alike::Alike;
use weir_proxy::upstream::locality::Home;
use weir_proxy::upstream::runtime::{Surroundings, UpstreamRuntime};

pub(crate) fn upstream(spec: &Value) -> UpstreamRuntime {
    let key: Key = "upstreams/1".parse().unwrap();
    let around = Surroundings {
        living: &Living::default(),
        ssl: &|_| None,
        home: &Home::default(),
        addresses: &Endpoints::default(),
        alike: &Alike::default(),
        now_ms: 0,
    };
    UpstreamRuntime::compile(&key, Upstream::parse(spec).unwrap(), around).unwrap()
}

fn context(target: &str) -> Context {
    request(target).context(FakeHost::shared())
}

fn counts(upstream: &UpstreamRuntime, requests: u32) -> BTreeMap<u16, u32> {
    let host = FakeHost::shared();
    let mut counts = BTreeMap::new();
    for number in 0..requests {
        let context = request(&format!("/{number}")).context(Arc::clone(&host));
        let (picked, _) = upstream.pick(&context, &[]).unwrap();
        *counts.entry(picked.port).or_insert(0) += 1;
    }
    counts
}

#[test]
fn round_robin_gives_exact_shares_and_nothing_to_weight_zero() {
    for name in ["roundrobin", "weighted_round_robin"] {
        let nodes = json!({"127.0.0.1:1": 5, "127.0.0.1:2": 1, "127.0.0.1:3": 2, "127.0.0.1:4": 0});
        let shares = counts(&upstream(&json!({"type": name, "nodes": nodes})), 800);
        assert_eq!(
            shares,
            BTreeMap::from([(1, 500), (2, 100), (3, 200)]),
            "{name}"
        );
    }
    let idle = json!({"nodes": {"127.0.0.1:1": 0, "127.0.0.1:2": 0}});
    assert_eq!(
        counts(&upstream(&idle), 10),
        BTreeMap::from([(1, 5), (2, 5)])
    );
}

#[test]
fn round_robin_is_smooth() {
    let upstream =
        upstream(&json!({"nodes": {"127.0.0.1:1": 5, "127.0.0.1:2": 1, "127.0.0.1:3": 1}}));
    let turn: Vec<u16> = (0..7)
        .map(|_| upstream.pick(&context("/"), &[]).unwrap().0.port)
        .collect();
    assert_eq!(turn, [1, 1, 2, 1, 3, 1, 1], "as nginx interleaves 5, 1, 1");
}

#[test]
fn a_tried_node_is_not_picked_again_and_lower_priorities_come_last() {
    let nodes = json!([
        {"host": "127.0.0.1", "port": 1, "weight": 1, "priority": 1},
        {"host": "127.0.0.1", "port": 2, "weight": 1, "priority": 1},
        {"host": "127.0.0.1", "port": 3, "weight": 9, "priority": 0},
    ]);
    for name in ["roundrobin", "least_conn", "ewma", "chash", "chrr"] {
        let upstream = upstream(&json!({"type": name, "key": "uri", "nodes": nodes}));
        let mut tried: Vec<usize> = Vec::new();
        let mut ports = Vec::new();
        while let Some((picked, _)) = upstream.pick(&context("/x"), &tried) {
            assert!(!tried.contains(&picked.index), "{name}");
            tried.push(picked.index);
            ports.push(picked.port);
        }
        assert_eq!(ports.len(), 3, "{name}: {ports:?}");
        assert_eq!(ports[2], 3, "{name}: {ports:?}");
    }
}

#[test]
fn a_hash_key_stays_on_its_node_and_few_keys_move_when_a_node_goes() {
    let with = |ports: std::ops::RangeInclusive<u16>| {
        let nodes: serde_json::Map<String, Value> = ports
            .map(|port| (format!("127.0.0.1:{port}"), json!(1)))
            .collect();
        upstream(&json!({"type": "chash", "key": "uri", "nodes": nodes}))
    };
    let (ten, nine) = (with(1..=10), with(1..=9));
    let pick = |upstream: &UpstreamRuntime, number: u32| {
        upstream
            .pick(&context(&format!("/{number}")), &[])
            .unwrap()
            .0
            .port
    };
    let mut moved = 0;
    for number in 0..2_000 {
        let before = pick(&ten, number);
        assert_eq!(pick(&ten, number), before, "sticky");
        if before != 10 {
            moved += u32::from(pick(&nine, number) != before);
        }
    }
    assert_eq!(moved, 0, "only the keys of the node that went move");
    let shares = counts(&ten, 10_000);
    assert!(
        shares.len() == 10 && shares.values().all(|share| (500..1600).contains(share)),
        "{shares:?}"
    );
}

#[test]
fn least_conn_prefers_the_idle_node() {
    let upstream =
        upstream(&json!({"type": "least_conn", "nodes": {"127.0.0.1:1": 1, "127.0.0.1:2": 1}}));
    let (first, held) = upstream.pick(&context("/"), &[]).unwrap();
    for _ in 0..5 {
        let (next, _done) = upstream.pick(&context("/"), &[]).unwrap();
        assert_ne!(next.port, first.port);
    }
    drop(held);
    let seen = counts(&upstream, 200);
    assert_eq!(seen.len(), 2, "an idle upstream is served by all: {seen:?}");
}
