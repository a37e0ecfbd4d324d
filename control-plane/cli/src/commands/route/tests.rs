use weir_proto::control::{
    ExplainResponse, ExplainedNode, ExplainedPlugin, ExplainedRoute, ExplainedUpstream, NearMiss,
    OutgoingRequest,
};
use weir_proto::resource::Key;

use super::explain::Shown;
use crate::output::{Palette, Render};

fn key(kind: &str, id: &str) -> Option<Key> {
    Some(Key {
        kind: kind.to_owned(),
        id: id.to_owned(),
    })
}

#[test]
fn an_explanation_reads_from_the_route_to_the_node() {
    let shown = Shown {
        asked: "GET /a".to_owned(),
        answer: ExplainResponse {
            revision: 7,
            router_mode: "radixtree_host_uri".to_owned(),
            route: Some(ExplainedRoute {
                key: key("route", "r"),
                uri: "/a*".to_owned(),
                ..ExplainedRoute::default()
            }),
            plugins: vec![ExplainedPlugin {
                name: "limit-count".to_owned(),
                owner: key("service", "s"),
                note: "_meta.disable".to_owned(),
                ..ExplainedPlugin::default()
            }],
            upstream: Some(ExplainedUpstream {
                key: key("upstream", "u"),
                r#type: "roundrobin".to_owned(),
                scheme: "http".to_owned(),
                pass_host: "pass".to_owned(),
                nodes: vec![ExplainedNode {
                    host: "127.0.0.1".to_owned(),
                    port: 80,
                    weight: 1,
                    priority: 0,
                }],
            }),
            outgoing: Some(OutgoingRequest {
                method: "GET".to_owned(),
                uri: "/b".to_owned(),
                host: vec!["a.test".to_owned()],
                headers: Vec::new(),
            }),
            misses: vec![NearMiss {
                key: key("route", "other"),
                uri: "/a".to_owned(),
                condition: "method".to_owned(),
                expected: "POST".to_owned(),
                actual: "GET".to_owned(),
            }],
            more_misses: 2,
            ..ExplainResponse::default()
        },
    };
    assert_eq!(
        shown.table(Palette::PLAIN),
        "\
request:   GET /a
revision:  7
router:    radixtree_host_uri
route:     routes/r (any host, /a*, priority 0)

Plugins
NAME         PRIORITY  OWNER       STATE
limit-count  -         services/s  does not run: _meta.disable

Upstream upstreams/u (roundrobin, http, pass_host pass)
NODE          WEIGHT  PRIORITY
127.0.0.1:80  1       0

The node is asked
GET /b
host: a.test

Not taken
ROUTE         URI  CONDITION  EXPECTED  ACTUAL
routes/other  /a   method     POST      GET
and 2 more (--misses)"
    );
    assert_eq!(shown.names(), ["routes/r"]);
    assert_eq!(shown.data()["misses"][0]["condition"], "method");
}
