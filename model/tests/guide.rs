//! The JSON examples of the guide our users follow: accepted as documents, refused by no rule.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

use serde_json::{Value, json};
use weir_model::field::timeout::Timeouts;
use weir_model::route::Route;
use weir_model::service::Service;
use weir_model::upstream::{Balancer, Scheme, Upstream};
use weir_model::{Key, Kind, PluginCatalog, PluginPart, PluginSchemas, Validation, validate};

/// Knows the plugins of the guide by name, and takes every configuration. Whether the real ones
/// take them is tested where the plugins are.
struct Permissive(Value);

impl PluginCatalog for Permissive {
    fn names(&self) -> Vec<&str> {
        vec!["limit-req", "proxy-rewrite"]
    }

    fn schemas(&self, name: &str) -> Option<PluginSchemas<'_>> {
        self.names().contains(&name).then_some(PluginSchemas {
            config: &self.0,
            consumer: None,
            metadata: None,
            priority: 0,
            auth: false,
        })
    }

    fn check(&self, _: &str, _: PluginPart, _: &Value) -> Result<(), String> {
        Ok(())
    }
}

macro_rules! examples {
    ($($kind:ident: $($id:literal)*;)*) => {
        [$($((Kind::$kind, $id, include_str!(concat!("guide/", $id, ".json"))),)*)*]
    };
}

const EXAMPLES: [(Kind, &str, &str); 19] = examples! {
    Upstream: "my_backend_upstream" "least_conn_upstream" "chained_rr_upstream"
        "ring_hash_ip_upstream" "health_check_upstream" "keepalive_upstream"
        "timeout_retry_upstream" "dns_upstream" "mtls_backend_upstream" "consul_dynamic_upstream"
        "canary_upstream";
    Service: "my_api_service" "host_rewrite_service" "secure_backend_service"
        "path_rewrite_service" "rate_limited_service";
    Route: "direct_route_to_upstream" "route_to_service" "cached_route";
};

fn document(id: &str) -> Value {
    let (_, _, text) = EXAMPLES.iter().find(|(_, name, _)| *name == id).unwrap();
    serde_json::from_str(text).unwrap()
}

fn judge(kind: Kind, id: &str) -> Validation {
    let catalog = Permissive(json!({"type": "object"}));
    validate(&Key::new(kind, id), &document(id), &catalog)
}

#[test]
fn all_examples_but_one_are_accepted_without_unknown_fields() {
    for (kind, id, _) in EXAMPLES {
        let validation = judge(kind, id);
        let messages: Vec<&str> = validation
            .problems
            .iter()
            .map(|problem| problem.message.as_str())
            .collect();
        if id == "cached_route" {
            assert_eq!(messages, ["unknown plugin [proxy-cache]"]);
        } else {
            assert!(messages.is_empty(), "{id}: {messages:?}");
        }
        assert_eq!(validation.unknown, [], "{id}");
    }
}

#[test]
fn settings_of_the_guide_have_their_meaning() {
    let upstream = |id: &str| Upstream::parse(&document(id)).unwrap();
    assert_eq!(upstream("canary_upstream").balancer, Balancer::RoundRobin);
    assert!(matches!(
        upstream("chained_rr_upstream").balancer,
        Balancer::Chained { conf, .. } if conf.max_retry_times == 3
    ));
    let checks = upstream("health_check_upstream").checks.unwrap();
    let active = checks.active.unwrap();
    assert_eq!(active.healthy.successes, 1);
    assert_eq!(active.healthy.interval.as_secs(), 5);
    assert_eq!(active.unhealthy.interval.as_secs(), 5);
    assert_eq!(active.unhealthy.http_failures, 3);
    assert_eq!(checks.passive.unwrap().unhealthy.tcp_failures, 2);
    let mutual = upstream("mtls_backend_upstream");
    assert!(mutual.tls.unwrap().verify);
    assert_eq!(mutual.scheme, Scheme::Https);
    let discovery = upstream("consul_dynamic_upstream").discovery.unwrap();
    assert_eq!(discovery.args.port, Some(8080));
    assert_eq!(upstream("dns_upstream").scheme, Scheme::Https);

    let service = |id: &str| Service::parse(&document(id)).unwrap();
    assert_eq!(service("my_api_service").hosts, ["api.example.com"]);
    assert_eq!(
        service("secure_backend_service").scheme,
        Some(Scheme::Https)
    );
    let rewritten = service("host_rewrite_service").overlay(upstream("my_backend_upstream"));
    assert_eq!(
        rewritten.upstream_host.as_deref(),
        Some("internal-api-host.local")
    );

    let route = Route::parse(&document("direct_route_to_upstream")).unwrap();
    assert_eq!(route.uris, ["/direct-api/*"]);
    assert_eq!(route.upstream_id.as_deref(), Some("my_backend_upstream"));
    assert!(route.enabled);
    assert_eq!(Timeouts::default().read.as_secs(), 60);
}
