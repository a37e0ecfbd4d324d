//! Upstreams that are discovered have the endpoints of their lookup as nodes.

use std::sync::Arc;

use serde_json::json;
use weir_model::ResourceSet;
use weir_model::endpoint::{Endpoint, EndpointKey, EndpointSet, Endpoints};
use weir_plugin_api::testkit::request;
use weir_proxy::error::Reason;
use weir_proxy::router::RouterMode;
use weir_proxy::runtime::{Runtime, compile};

use super::setup::{env, put};

/// Routes that reach the service `web` in every way that there is.
fn set() -> ResourceSet {
    let web = json!({"discovery_type": "consul", "service_name": "web"});
    let mut other_port = web.clone();
    other_port["discovery_args"] = json!({"port": 99});
    let mut set = ResourceSet::default();
    for (key, spec) in [
        ("upstreams/web", web.clone()),
        ("services/named", json!({"upstream_id": "web"})),
        ("services/inline", json!({"upstream": web})),
        (
            "services/laid",
            json!({"upstream_id": "web", "upstream_host": "x"}),
        ),
        ("routes/1", json!({"uri": "/1", "upstream_id": "web"})),
        ("routes/2", json!({"uri": "/2", "upstream": web})),
        ("routes/3", json!({"uri": "/3", "service_id": "named"})),
        ("routes/4", json!({"uri": "/4", "service_id": "inline"})),
        ("routes/5", json!({"uri": "/5", "service_id": "laid"})),
        ("routes/port", json!({"uri": "/6", "upstream": other_port})),
        (
            "routes/still",
            json!({"uri": "/7", "upstream": {"nodes": {"127.0.0.1:7": 1}}}),
        ),
    ] {
        put(&mut set, key, spec);
    }
    set
}

fn endpoints(ports: &[u16]) -> Endpoints {
    let all = ports
        .iter()
        .map(|port| Endpoint::new("127.0.0.1", Some(*port)));
    let set = Arc::new(EndpointSet::new(all).unwrap());
    Endpoints::from_iter([(EndpointKey::from_text("consul/*/web"), set)])
}

/// The ports of the nodes of a route.
fn ports(runtime: &Runtime, path: &str) -> Result<Vec<u16>, Reason> {
    let found = runtime.route(&request(path).head()).unwrap();
    let upstream = runtime.upstream(found.route)?;
    Ok(upstream.nodes().iter().map(|node| node.port).collect())
}

#[test]
fn a_change_of_endpoints_reaches_every_way_to_them_and_nothing_else() {
    let set = set();
    let mut env = env(RouterMode::HostUri);
    let (none, _) = compile(&set, None, &env);
    for path in ["/1", "/2", "/3", "/4", "/5", "/6"] {
        assert_eq!(ports(&none, path), Err(Reason::NoNodes), "{path}");
    }
    let mut before = none;
    for now in [&[1, 2][..], &[2], &[2, 3]] {
        env.endpoints = endpoints(now);
        let (after, report) = compile(&set, Some(&before), &env);
        assert_eq!((report.reused, report.rebuilt), (5, 2), "{now:?}");
        for path in ["/1", "/2", "/3", "/4", "/5"] {
            assert_eq!(ports(&after, path).as_deref(), Ok(now), "{path}");
        }
        assert_eq!(ports(&after, "/6"), Ok(vec![99]), "one address, one port");
        assert_eq!(ports(&after, "/7"), Ok(vec![7]));
        let (scratch, _) = compile(&set, None, &env);
        assert_eq!(after.describe(), scratch.describe());
        let (same, report) = compile(&set, Some(&after), &env);
        assert_eq!((report.reused, report.rebuilt), (7, 0));
        before = same;
    }
}
