//! How the balancers spread requests, by Pearson's chi-square test, and how few keys of a consistent
//! hash move. Each test prints its seed; `WEIR_SEED` repeats a run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use weir_plugin_api::testkit::{FakeHost, request};
use weir_proxy::upstream::runtime::UpstreamRuntime;

use super::balancing::upstream;

type Counts = BTreeMap<u16, u64>;

fn seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let given = std::env::var("WEIR_SEED").map(|text| text.parse().unwrap());
    let seed = given.unwrap_or(now.as_nanos() as u64 | 1);
    println!("WEIR_SEED={seed}");
    seed
}

fn scattered(seed: u64) -> Arc<FakeHost> {
    let host = FakeHost::shared();
    host.scatter(seed);
    host
}

/// Nodes 127.0.0.1:1 and so on, with these weights.
fn balanced(balancer: &str, weights: &[u32]) -> UpstreamRuntime {
    let nodes: serde_json::Map<String, Value> = (1..)
        .zip(weights)
        .map(|(port, weight)| (format!("127.0.0.1:{port}"), json!(weight)))
        .collect();
    upstream(&json!({"type": balancer, "key": "arg_k", "nodes": nodes}))
}

fn pick(upstream: &UpstreamRuntime, host: &Arc<FakeHost>, key: &str) -> u16 {
    let context = request(&format!("/?k={key}")).context(Arc::clone(host));
    upstream.pick(&context, &[]).unwrap().0.port
}

fn count(upstream: &UpstreamRuntime, host: &Arc<FakeHost>, keys: &[String]) -> Counts {
    let mut counts = Counts::new();
    for key in keys {
        *counts.entry(pick(upstream, host, key)).or_insert(0) += 1;
    }
    counts
}

fn keys(seed: u64, many: usize) -> Vec<String> {
    (0..many)
        .map(|number| format!("{seed:x}-{number}"))
        .collect()
}

/// Fails when so uneven a spread, or a worse one, happens by chance less than once in a million
/// runs. `shares` need not add up to anything.
fn assert_fits(counts: &Counts, shares: &[f64]) {
    let total: f64 = counts.values().map(|count| *count as f64).sum();
    let whole: f64 = shares.iter().sum();
    let square: f64 = (1..)
        .zip(shares)
        .map(|(port, share)| {
            let expected = total * share / whole;
            let seen = counts.get(&port).copied().unwrap_or(0) as f64;
            (seen - expected).powi(2) / expected
        })
        .sum();
    let freedom = (shares.len() - 1) as f64;
    // The quantile, as Wilson and Hilferty approximate it; 4.753 is that of the normal distribution.
    let part = 2.0 / (9.0 * freedom);
    let most = freedom * (1.0 - part + 4.753 * part.sqrt()).powi(3);
    assert!(
        square <= most,
        "chi-square {square:.1} of at most {most:.1}: {counts:?} for {shares:?}"
    );
}

fn as_shares(weights: &[u32]) -> Vec<f64> {
    weights.iter().copied().map(f64::from).collect()
}

#[test]
fn round_robin_is_exact_over_a_turn_wherever_it_begins() {
    let seed = seed();
    let host = scattered(seed);
    for weights in [
        &[1, 1, 1][..],
        &[5, 1, 1],
        &[99, 1],
        &[7, 3, 2, 1],
        &[4, 6, 10],
    ] {
        let upstream = balanced("roundrobin", weights);
        let skipped = usize::try_from(seed % 17).unwrap();
        count(&upstream, &host, &keys(seed, skipped));
        // Twice the sum: at least two full turns.
        let turn: u32 = weights.iter().sum();
        let counts = count(&upstream, &host, &keys(seed, 2 * turn as usize));
        for (port, weight) in (1..).zip(weights) {
            assert_eq!(
                counts[&port],
                u64::from(2 * weight),
                "{weights:?}: {counts:?}"
            );
        }
    }
}

#[test]
fn round_robin_is_exact_over_several_workers() {
    let weights = [5, 3, 2];
    let upstream = balanced("roundrobin", &weights);
    let total = std::thread::scope(|scope| {
        let worker = |number| {
            let upstream = &upstream;
            move || count(upstream, &scattered(number + 1), &keys(number, 2_500))
        };
        let workers: Vec<_> = (0..4).map(|number| scope.spawn(worker(number))).collect();
        let mut total = Counts::new();
        for worker in workers {
            for (port, count) in worker.join().unwrap() {
                *total.entry(port).or_insert(0) += count;
            }
        }
        total
    });
    assert_eq!(total, Counts::from([(1, 5_000), (2, 3_000), (3, 2_000)]));
}

/// The shares of a ring of 160 points for each unit of weight, by the lengths of its arcs: computed
/// here once more, from the description in objects.md section 7 and the library it names.
fn arcs(weights: &[u32]) -> Vec<f64> {
    let mut points: Vec<(u32, usize)> = Vec::new();
    for (node, weight) in weights.iter().enumerate() {
        let mut point = 0_u32;
        for _ in 0..160 * weight {
            let mut text = format!("127.0.0.1\0{}", node + 1).into_bytes();
            text.extend(point.to_le_bytes());
            point = crc32fast::hash(&text);
            points.push((point, node));
        }
    }
    points.sort_unstable();
    let mut shares = vec![0.0; weights.len()];
    let mut before = i64::from(points.last().unwrap().0) - (1_i64 << 32);
    for (point, node) in points {
        shares[node] += (i64::from(point) - before) as f64;
        before = i64::from(point);
    }
    shares
}

#[test]
fn consistent_hash_spreads_keys_as_the_ring_of_apisix_does_and_so_by_weight() {
    let seed = seed();
    let host = scattered(seed);
    for weights in [&[1, 1, 1, 1][..], &[3, 1], &[10, 2, 1]] {
        let counts = count(&balanced("chash", weights), &host, &keys(seed, 50_000));
        let arcs = arcs(weights);
        assert_fits(&counts, &arcs);
        let (units, ring): (u32, f64) = (weights.iter().sum(), arcs.iter().sum());
        for (weight, arc) in weights.iter().zip(&arcs) {
            let (wanted, got) = (f64::from(*weight) / f64::from(units), arc / ring);
            assert!(
                (got - wanted).abs() < 0.04,
                "{weights:?}: {got:.3} for {wanted:.3}"
            );
        }
    }
}

/// Shares of keys that one node answers and another answered before: (to node `port`, elsewhere).
fn moved(
    before: &UpstreamRuntime,
    now: &UpstreamRuntime,
    keys: &[String],
    port: u16,
) -> (f64, f64) {
    let host = FakeHost::shared();
    let (mut there, mut elsewhere) = (0, 0);
    for key in keys {
        let (old, new) = (pick(before, &host, key), pick(now, &host, key));
        if old != new && (old == port || new == port) {
            there += 1;
        } else if old != new {
            elsewhere += 1;
        }
    }
    let share = |count: u32| f64::from(count) / keys.len() as f64;
    (share(there), share(elsewhere))
}

#[test]
fn few_keys_move_when_a_node_goes_or_comes() {
    let seed = seed();
    let keys = keys(seed, 20_000);
    for nodes in [3_u16, 5, 10, 50] {
        let many = vec![1; usize::from(nodes)];
        let (all, fewer) = (balanced("chash", &many), balanced("chash", &many[1..]));
        let share = 1.0 / f64::from(nodes);
        for (before, now, what) in [(&all, &fewer, "goes"), (&fewer, &all, "comes")] {
            let (there, elsewhere) = moved(before, now, &keys, nodes);
            assert!(
                there <= share + 0.02,
                "{nodes} nodes, one {what}: {there:.4} moved"
            );
            assert!(
                elsewhere == 0.0,
                "{nodes} nodes, one {what}: {elsewhere:.4} moved between the others"
            );
        }
    }
}

#[test]
fn few_keys_move_when_a_weight_changes() {
    let keys = keys(seed(), 20_000);
    let (before, now) = (balanced("chash", &[7, 2, 1]), balanced("chash", &[8, 2, 1]));
    let (there, elsewhere) = moved(&before, &now, &keys, 1);
    assert!(
        there <= 1.0 / 11.0 + 0.02 && elsewhere == 0.0,
        "{there} {elsewhere}"
    );
}

#[test]
fn least_conn_fills_nodes_by_weight() {
    let seed = seed();
    let host = scattered(seed);
    for weights in [&[1, 1, 1][..], &[3, 1], &[5, 3, 2]] {
        let upstream = balanced("least_conn", weights);
        let units: u32 = weights.iter().sum();
        let (mut held, mut counts) = (Vec::new(), Counts::new());
        for _ in 0..100 * units {
            let context = request("/").context(Arc::clone(&host));
            let (picked, in_flight) = upstream.pick(&context, &[]).unwrap();
            *counts.entry(picked.port).or_insert(0) += 1;
            held.push(in_flight);
        }
        for (port, weight) in (1..).zip(weights) {
            let wanted = u64::from(100 * weight);
            assert!(
                counts[&port].abs_diff(wanted) <= 1,
                "{weights:?}: {counts:?}"
            );
        }
    }
}

#[test]
fn least_conn_serves_an_idle_upstream_evenly() {
    let seed = seed();
    let upstream = balanced("least_conn", &[1, 1, 1, 1]);
    let counts = count(&upstream, &scattered(seed), &keys(seed, 10_000));
    assert_fits(&counts, &[1.0, 1.0, 1.0, 1.0]);
}

#[test]
fn ewma_gives_equal_nodes_their_shares_by_weight() {
    let seed = seed();
    for weights in [&[1, 1, 1][..], &[3, 1], &[5, 3, 2]] {
        let (host, upstream) = (scattered(seed), balanced("ewma", weights));
        let mut counts = Counts::new();
        for _ in 0..10_000 {
            let context = request("/").context(Arc::clone(&host));
            let (picked, in_flight) = upstream.pick(&context, &[]).unwrap();
            *counts.entry(picked.port).or_insert(0) += 1;
            host.advance(Duration::from_millis(10));
            in_flight.answered(200);
        }
        assert_fits(&counts, &as_shares(weights));
    }
}

#[test]
fn ewma_prefers_the_faster_node_whatever_the_weights() {
    let seed = seed();
    let host = scattered(seed);
    let upstream = balanced("ewma", &[8, 1, 1]);
    let mut counts = Counts::new();
    for number in 0..3_000 {
        let context = request("/").context(Arc::clone(&host));
        let (picked, in_flight) = upstream.pick(&context, &[]).unwrap();
        let slow = picked.port == 1;
        host.advance(Duration::from_millis(if slow { 200 } else { 5 }));
        in_flight.answered(200);
        if number >= 100 {
            *counts.entry(picked.port).or_insert(0) += 1;
        }
    }
    // Two are drawn at random: the slow node is left only when it is not drawn with a faster one.
    let slow = counts.get(&1).copied().unwrap_or(0);
    assert!(slow < 100, "{counts:?}");
    assert!(counts[&2].abs_diff(counts[&3]) < 400, "{counts:?}");
}

#[test]
fn chained_round_robin_spreads_sessions_exactly_and_keeps_them() {
    let seed = seed();
    let host = scattered(seed);
    let upstream = balanced("chrr", &[2, 1, 1]);
    let sessions = keys(seed, 4_000);
    let first: Vec<u16> = sessions
        .iter()
        .map(|key| pick(&upstream, &host, key))
        .collect();
    let mut counts = Counts::new();
    for port in &first {
        *counts.entry(*port).or_insert(0) += 1;
    }
    assert_eq!(counts, Counts::from([(1, 2_000), (2, 1_000), (3, 1_000)]));
    for _ in 0..3 {
        let again = sessions.iter().map(|key| pick(&upstream, &host, key));
        assert!(again.eq(first.iter().copied()), "sessions stay");
    }
}
