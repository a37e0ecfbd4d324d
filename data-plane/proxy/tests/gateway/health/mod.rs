//! Health checks: who is probed, with what, and who gets requests.

mod https;
mod passive;
mod probes;
mod sharing;
mod states;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use serde_json::{Value, json};
use weir_model::{Key, Resource, ResourceSet};
use weir_plugin_api::Living;
use weir_plugin_api::outside::Unreachable;
use weir_proxy::gateway::{Gateway, GatewayConfig};
use weir_proxy::router::RouterSettings;
use weir_proxy::runtime::{CompileEnv, SystemEnvironment, compile};

use super::client::{Client, get};
use super::origin::{Origin, ok};
use super::setup::{config, eventually, http};

/// A gateway whose configuration changes step by step, as an agent's does.
struct Bed {
    gateway: Gateway,
    env: CompileEnv,
    set: ResourceSet,
}

impl Bed {
    fn new(documents: &[(&str, Value)]) -> Self {
        let living = Living::default();
        let config = GatewayConfig {
            workers: NonZeroUsize::new(2).unwrap(),
            ..config()
        };
        let mut bed = Self {
            gateway: Gateway::start(config, living.clone(), None).unwrap(),
            env: CompileEnv {
                endpoints: weir_model::endpoint::Endpoints::default(),
                plugins: &super::plugins::TABLE,
                stream_plugins: weir_plugins::ON_STREAMS,
                living,
                settings: RouterSettings::default(),
                environment: Arc::new(SystemEnvironment::new("test")),
                attributes: weir_plugin_api::Attributes::default(),
                outside: Arc::new(Unreachable),
                tls: weir_proxy::tls::Terms::default(),
            },
            set: ResourceSet::default(),
        };
        for (key, spec) in documents {
            bed.put(key, spec.clone());
        }
        bed.publish();
        bed
    }

    fn put(&mut self, key: &str, spec: Value) {
        self.set.revision += 1;
        let key: Key = key.parse().unwrap();
        let resource = Resource {
            key: key.clone(),
            spec: Arc::new(spec),
            created: self.set.revision,
            modified: self.set.revision,
            create_time: 0,
            update_time: 0,
            expires_at_ms: None,
        };
        self.set.resources.insert(key, Arc::new(resource));
    }

    fn publish(&self) {
        let previous = self.gateway.runtime();
        let (runtime, report) = compile(&self.set, previous.as_deref(), &self.env);
        assert!(report.refused.is_empty(), "{:?}", report.refused);
        self.gateway.publish(Arc::new(runtime));
    }

    fn change(&mut self, key: &str, spec: Value) {
        self.put(key, spec);
        self.publish();
    }

    /// State of each checked node of a resource, by port.
    fn states(&self, key: &str) -> BTreeMap<u16, &'static str> {
        let checks = self.gateway.checkers().checks();
        let Some(checked) = checks.get(&key.parse::<Key>().unwrap()) else {
            return BTreeMap::new();
        };
        let targets = checked.nodes.iter();
        targets
            .map(|target| (target.place.port, target.state().status.as_str()))
            .collect()
    }

    /// Why each checked node of a resource came into or went out of use, by port.
    fn reasons(&self, key: &str) -> BTreeMap<u16, String> {
        let checks = self.gateway.checkers().checks();
        let checked = checks.get(&key.parse::<Key>().unwrap());
        let targets = checked.into_iter().flat_map(|checked| &checked.nodes);
        let shown = targets.map(|target| target.shown());
        shown
            .map(|shown| (shown.place.port, shown.reason))
            .collect()
    }

    fn wait_for(&self, key: &str, port: u16, state: &str) {
        eventually(&format!("{key}: {port} is {state}"), || {
            self.states(key).get(&port) == Some(&state)
        });
    }

    fn ask(&self) -> (u16, String) {
        let answer = Client::connect(http(&self.gateway)).ask(get("/"));
        (answer.status, answer.text().to_owned())
    }
}

/// A node whose health path answers a status that the test can change, and that counts other
/// requests as `text`.
fn origin(text: &'static str) -> (Origin, Arc<AtomicU16>) {
    let health = Arc::new(AtomicU16::new(200));
    let answer = Arc::clone(&health);
    let origin = Origin::answering(move |request| {
        if request.line.contains("/up") {
            let status = answer.load(Ordering::SeqCst);
            return format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\n\r\n").into_bytes();
        }
        ok(text)
    });
    (origin, health)
}

/// An upstream whose nodes are probed as quickly as can be configured.
fn checked(addresses: &[SocketAddr]) -> Value {
    let nodes: Vec<Value> = addresses
        .iter()
        .map(|address| {
            json!({"host": address.ip().to_string(), "port": address.port(), "weight": 1})
        })
        .collect();
    json!({"nodes": nodes, "checks": {"active": {
        "http_path": "/up", "interval": 1,
        "healthy": {"successes": 1},
        "unhealthy": {"http_failures": 1, "tcp_failures": 1, "timeouts": 1}
    }}})
}

fn route(upstream: &str) -> Value {
    json!({"uri": "/*", "upstream_id": upstream})
}
