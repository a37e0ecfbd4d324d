use proptest::prelude::*;
use serde_json::{Value, json};
use weir_model::stream_route::StreamRoute;
use weir_plugin_api::stream::Transport;

use super::*;

fn matcher(spec: &Value) -> Matcher {
    Matcher::of(&StreamRoute::parse(spec).unwrap())
}

fn head(client: &str, local: &str, name: Option<&str>) -> StreamHead {
    StreamHead {
        client: client.parse().unwrap(),
        local: local.parse().unwrap(),
        relay: None,
        transport: Transport::Tls,
        server_name: name.map(Arc::from),
    }
}

/// Routes by name, the first one the oldest.
fn index(routes: &[(&'static str, Value)]) -> Index<&'static str> {
    let mut index = Index::default();
    for (created, (name, spec)) in (1..).zip(routes) {
        index.insert(&matcher(spec), created, &Arc::from(*name), Arc::new(*name));
    }
    index
}

#[test]
fn names_rank_before_age_and_age_decides_the_rest() {
    let index = index(&[
        ("any", json!({})),
        ("star", json!({"sni": "*"})),
        ("wide", json!({"sni": "*.test"})),
        ("narrow", json!({"sni": "*.a.test"})),
        ("exact", json!({"sni": "X.a.test"})),
        ("exact-younger", json!({"sni": "x.a.test"})),
        (
            "exact-elsewhere",
            json!({"sni": "y.a.test", "server_port": 7}),
        ),
        ("younger", json!({})),
    ]);
    for (name, expected) in [
        (Some("x.a.test"), "exact"),
        (Some("deep.er.a.test"), "narrow"),
        // The port of the exact one differs.
        (Some("y.a.test"), "narrow"),
        (Some("b.test"), "wide"),
        // A wildcard stands for something.
        (Some(".test"), "star"),
        (Some("other.example"), "star"),
        (None, "any"),
    ] {
        let found = index.find(&head("10.0.0.1:1", "127.0.0.1:9100", name));
        assert_eq!(found.map(|found| **found), Some(expected), "{name:?}");
    }
}

#[test]
fn addresses_and_ports_are_conditions_not_ranks() {
    let index = index(&[
        ("net", json!({"remote_addr": "10.0.0.0/8"})),
        (
            "host",
            json!({"remote_addr": "10.0.0.1", "server_port": 9100}),
        ),
        ("port", json!({"server_port": 9200})),
        ("local", json!({"server_addr": "127.0.0.2"})),
        ("six", json!({"remote_addr": "2001:db8::/32"})),
    ]);
    for (client, local, expected) in [
        // The older one, although the other says more.
        ("10.0.0.1:1", "127.0.0.1:9100", Some("net")),
        (
            "[::ffff:10.0.0.1]:1",
            "[::ffff:127.0.0.1]:9100",
            Some("net"),
        ),
        ("192.0.2.1:1", "127.0.0.1:9200", Some("port")),
        ("192.0.2.1:1", "127.0.0.2:9200", Some("port")),
        ("192.0.2.1:1", "127.0.0.2:1", Some("local")),
        ("[2001:db8::9]:1", "[::1]:1", Some("six")),
        ("192.0.2.1:1", "127.0.0.1:9100", None),
    ] {
        let found = index.find(&head(client, local, None));
        assert_eq!(found.map(|found| **found), expected, "{client} {local}");
    }
}

#[test]
fn what_was_taken_out_is_not_found() {
    let mut index = index(&[("a", json!({"server_port": 1})), ("b", json!({}))]);
    let asked = head("10.0.0.1:1", "127.0.0.1:1", None);
    assert_eq!(index.find(&asked).map(|found| **found), Some("a"));
    let before = index.clone();
    index.remove(&matcher(&json!({"server_port": 1})), 1, &Arc::from("a"));
    assert_eq!(index.find(&asked).map(|found| **found), Some("b"));
    assert_eq!(index.shapes.len(), 1);
    assert_eq!(before.find(&asked).map(|found| **found), Some("a"));
}

fn conditions() -> impl Strategy<Value = Value> {
    let names = prop::sample::select(vec!["a.t", "b.a.t", "*.t", "*.a.t", "*", "*a.t", "t"]);
    let nets = || prop::sample::select(vec!["10.0.0.0/8", "10.1.0.0/16", "10.1.1.1", "::/0"]);
    (
        prop::option::of(names),
        prop::option::of(1_u16..4),
        prop::option::of(nets()),
        prop::option::of(nets()),
    )
        .prop_map(|(sni, port, remote, server)| {
            let fields = [
                ("sni", sni.map(Value::from)),
                ("server_port", port.map(Value::from)),
                ("remote_addr", remote.map(Value::from)),
                ("server_addr", server.map(Value::from)),
            ];
            let given = fields
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?)));
            given
                .map(|(name, value)| (name.to_owned(), value))
                .collect()
        })
}

proptest! {
    /// The index finds what a scan of all routes finds, also after some were taken out.
    #[test]
    fn index_is_a_scan(
        routes in prop::collection::vec((conditions(), any::<bool>()), 0..30),
        names in prop::collection::vec(
            prop::option::of(prop::sample::select(vec!["a.t", "b.a.t", "c.b.a.t", "t", "x", "za.t"])),
            8,
        ),
        clients in prop::collection::vec(prop::sample::select(vec!["10.1.1.1", "10.2.0.1", "9.9.9.9", "::1"]), 8),
        ports in prop::collection::vec(1_u16..5, 8),
    ) {
        let mut index = Index::default();
        let mut kept = Vec::new();
        for (created, (spec, stays)) in (1..).zip(&routes) {
            let matcher = matcher(spec);
            let id: Id = Arc::from(created.to_string());
            index.insert(&matcher, created, &id, Arc::new(created));
            if *stays {
                kept.push((matcher, created));
            } else {
                index.remove(&matcher, created, &id);
            }
        }
        for ((name, client), port) in names.iter().zip(&clients).zip(&ports) {
            let mut asked = head("10.0.0.1:1", "10.1.2.3:1", *name);
            asked.client.set_ip(client.parse().unwrap());
            asked.local.set_port(*port);
            let scan = kept
                .iter()
                .filter(|(matcher, _)| matcher.takes(&asked))
                .min_by_key(|(matcher, created)| (matcher.name.rank(), *created));
            prop_assert_eq!(index.find(&asked).map(|found| **found), scan.map(|(_, created)| *created));
        }
    }
}
