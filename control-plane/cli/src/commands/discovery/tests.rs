use weir_model::endpoint::{Endpoint, EndpointKey};
use weir_proto::convert::endpoint::to_wire;
use weir_proto::discovery::{Failure as Failing, Held};
use weir_proto::resource::Key;

use super::*;
use crate::output::{Format, Palette, Render};

const NOW: u64 = 100_000;

fn set() -> EndpointSet {
    let near = Endpoint {
        weight: 5,
        zone: Some("a".to_owned()),
        ..Endpoint::new("10.0.0.1", Some(80))
    };
    EndpointSet::new([near, Endpoint::new("::1", None)]).unwrap()
}

fn watched(node_id: u64) -> Watched {
    let key = EndpointKey::from_text("consul/*/web");
    Watched {
        node_id,
        key: key.to_string(),
        r#type: "consul".to_owned(),
        registry: "main".to_owned(),
        service_name: "web".to_owned(),
        users: vec![Key {
            kind: "upstream".to_owned(),
            id: "shop".to_owned(),
        }],
        endpoints: Some(to_wire(&key, &set())),
        endpoint_count: 2,
        index: "17".to_owned(),
        changed_ms: 10_000,
        checked_ms: 97_000,
        ..Watched::default()
    }
}

fn troubled() -> Watched {
    Watched {
        registry: String::new(),
        index: "OUT_OF_SERVICE_1_UP_20_".to_owned(),
        failure: Some(Failing {
            kind: "refused".to_owned(),
            message: "http://c:8500: answered 403".to_owned(),
            since_ms: 40_000,
            attempts: 7,
        }),
        ..watched(2)
    }
}

fn held() -> Watched {
    Watched {
        held: Some(Held {
            since_ms: 90_000,
            until_ms: 120_000,
            offered: 0,
            missing: 2,
        }),
        ..watched(3)
    }
}

fn list(all: Vec<Watched>) -> list::Shown {
    list::Shown {
        data: all.iter().map(data).collect::<Result<_, _>>().unwrap(),
        watched: all,
        now_ms: NOW,
    }
}

#[test]
fn every_lookup_has_a_row_at_every_node() {
    let shown = list(vec![watched(1), troubled(), held(), Watched::default()]);
    assert_eq!(
        shown.text(Format::Table, Palette::PLAIN),
        "\
REGISTRY  SERVICE  NODE  ENDPOINTS  AGE  CHANGED  INDEX                STATE
main      web      1     2          3s   90s      17                   ok
consul    web      2     2          3s   90s      OUT_OF_SERVICE_1...  refused
main      web      3     2          3s   90s      17                   held for 20s: 2 endpoints gone
                   0     0          -    -        -                    asking

2 need a look: weir discovery show SERVICE
"
    );
    assert_eq!(list(vec![watched(1), held()]).names(), ["web"]);
}

#[test]
fn one_service_tells_everything_at_every_node() {
    let shown = show::Shown::new(vec![troubled(), held()], NOW).unwrap();
    assert_eq!(
        shown.text(Format::Table, Palette::PLAIN),
        "\
service:       web
registry:      consul (consul)
control node:  2
used by:       upstreams/shop
index:         OUT_OF_SERVICE_1_UP_20_
confirmed:     3s ago
changed:       90s ago
cannot be read for 60s, 7 attempts: refused: http://c:8500: answered 403

ADDRESS      WEIGHT  PRIORITY  REGION  ZONE
10.0.0.1:80  5       0         -       a
::1          1       0         -       -

service:       web
registry:      main (consul)
control node:  3
used by:       upstreams/shop
index:         17
confirmed:     3s ago
changed:       90s ago
held back for 10s: the registry names 0 endpoints, 2 in use are missing; taken at 1970-01-01T00:02:00.000Z, or now with: weir discovery accept web

ADDRESS      WEIGHT  PRIORITY  REGION  ZONE
10.0.0.1:80  5       0         -       a
::1          1       0         -       -
"
    );
    let data = shown.data();
    assert_eq!(data[0]["failure"]["kind"], "refused");
    assert_eq!(data[0]["endpoints"][0]["host"], "10.0.0.1");
    assert_eq!(data[1]["held"]["missing"], 2);
    assert_eq!(data[1]["failure"], Value::Null);
}

#[test]
fn a_test_shows_what_would_be_used() {
    let shown = test::Shown {
        registry: "main (eureka)".to_owned(),
        service: "web".to_owned(),
        answer: test::Answer {
            set: std::sync::Arc::new(set()),
            index: "UP_2_".to_owned(),
            note: String::new(),
        },
    };
    assert_eq!(
        shown.text(Format::Table, Palette::PLAIN),
        "\
registry:   main (eureka)
service:    web
index:      UP_2_
endpoints:  2

ADDRESS      WEIGHT  PRIORITY  REGION  ZONE
10.0.0.1:80  5       0         -       a
::1          1       0         -       -
"
    );
    assert_eq!(
        shown.text(Format::Name, Palette::PLAIN),
        "10.0.0.1:80\n::1\n"
    );
    assert_eq!(shown.data()["endpoints"][0]["weight"], 5);
}

#[test]
fn registries_that_do_not_answer_are_unavailable_and_others_refuse() {
    for (kind, code) in [
        ("unreachable", Code::Unavailable),
        ("timeout", Code::Unavailable),
        ("refused", Code::Refused),
        ("unknown_namespace", Code::Refused),
        ("config", Code::Refused),
    ] {
        let failure = test::failed(kind, "why");
        assert_eq!(failure.code(), code, "{kind}");
        assert!(failure.to_string().ends_with("why"), "{failure}");
    }
}
