//! A gateway for one test.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use weir_model::endpoint::Endpoints;
use weir_model::{Key, Resource, ResourceSet};
use weir_plugin_api::Living;
use weir_plugin_api::outside::Unreachable;
use weir_proxy::gateway::{Gateway, GatewayConfig, Settings};
use weir_proxy::router::RouterSettings;
use weir_proxy::runtime::{CompileEnv, Runtime, SystemEnvironment, compile};

/// One worker, so that a test sees one pool.
pub fn config() -> GatewayConfig {
    GatewayConfig {
        http: vec!["127.0.0.1:0".parse().unwrap()],
        workers: NonZeroUsize::MIN,
        settings: Settings {
            drain_idle: Duration::from_millis(300),
            ..Settings::default()
        },
        ..GatewayConfig::default()
    }
}

pub fn start(config: GatewayConfig, runtime: Option<Arc<Runtime>>) -> Gateway {
    Gateway::start(config, Living::default(), runtime).unwrap()
}

pub fn http(gateway: &Gateway) -> SocketAddr {
    gateway.addresses().http[0]
}

/// A gateway with one route for everything.
pub fn proxy_to(upstream: Value) -> Gateway {
    start(config(), Some(everything_to(upstream)))
}

/// A runtime with one route for everything.
pub fn everything_to(upstream: Value) -> Arc<Runtime> {
    runtime(&[("routes/1", json!({ "uri": "/*", "upstream": upstream }))])
}

/// An upstream with these nodes, in this order of preference.
pub fn nodes(addresses: &[SocketAddr]) -> Value {
    let nodes: Vec<Value> = (0..)
        .zip(addresses)
        .map(|(position, address)| {
            json!({ "host": address.ip().to_string(), "port": address.port(), "weight": 1, "priority": -position })
        })
        .collect();
    json!({ "type": "roundrobin", "nodes": nodes })
}

/// `base` with these fields as well.
pub fn with(mut base: Value, more: Value) -> Value {
    let (Value::Object(fields), Value::Object(more)) = (&mut base, more) else {
        panic!("objects");
    };
    fields.extend(more);
    base
}

/// Waits until something holds.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

/// Compiles resources, written as `COLLECTION/ID` and document.
pub fn runtime(resources: &[(&str, Value)]) -> Arc<Runtime> {
    let (runtime, report) = compile(&set(resources), None, &env());
    assert!(report.refused.is_empty(), "{:?}", report.refused);
    Arc::new(runtime)
}

/// [`runtime`] with the plugins that agents have.
pub fn runtime_with_plugins(resources: &[(&str, Value)]) -> Arc<Runtime> {
    let env = CompileEnv {
        plugins: weir_plugins::BUILTIN,
        ..env()
    };
    let (runtime, report) = compile(&set(resources), None, &env);
    assert!(report.refused.is_empty(), "{:?}", report.refused);
    Arc::new(runtime)
}

/// A snapshot of these resources, at a revision of its own.
pub fn set(resources: &[(&str, Value)]) -> ResourceSet {
    static REVISION: AtomicU64 = AtomicU64::new(1);
    let revision = REVISION.fetch_add(1, Ordering::SeqCst);
    let resources = resources.iter().map(|(key, spec)| {
        let key: Key = key.parse().unwrap();
        let resource = Resource {
            key: key.clone(),
            spec: Arc::new(spec.clone()),
            created: revision,
            modified: revision,
            create_time: 0,
            update_time: 0,
            expires_at_ms: None,
        };
        (key, Arc::new(resource))
    });
    ResourceSet {
        revision,
        resources: resources.collect(),
    }
}

/// What a snapshot is compiled in.
pub fn env() -> CompileEnv {
    CompileEnv {
        plugins: &super::plugins::TABLE,
        stream_plugins: weir_plugins::ON_STREAMS,
        endpoints: Endpoints::default(),
        living: Living::default(),
        settings: RouterSettings::default(),
        environment: Arc::new(SystemEnvironment::new("test")),
        attributes: weir_plugin_api::Attributes::default(),
        outside: Arc::new(Unreachable),
        tls: weir_proxy::tls::Terms::default(),
    }
}

/// What `work` gives; it must not take long.
pub fn in_time<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let limited = tokio::time::timeout(Duration::from_secs(20), work);
        limited.await.expect("in time")
    })
}
