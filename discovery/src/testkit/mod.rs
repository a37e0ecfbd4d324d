//! The suite that every registry passes, run against a real server through a proxy that can
//! misbehave.
//!
//! Only built for tests, through the feature `testkit`. It fails by panicking.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "test support: a failure is a failed test"
)]

mod kubernetes;
mod proxy;
mod suite;
mod watch;

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::Value;

use crate::ErrorKind;

pub use kubernetes::{FakeKubernetes, Trouble};
pub use proxy::{Fault, Proxy};
pub use suite::run;
pub use watch::Watch;

/// An instance of a service, as a test registers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Share of the traffic.
    pub weight: u32,
}

impl Instance {
    /// An instance of the usual weight.
    #[must_use]
    pub fn new(host: &str, port: u16) -> Self {
        Self {
            host: host.to_owned(),
            port,
            weight: 1,
        }
    }
}

/// A lookup that the registry must refuse.
pub struct Refusal {
    /// What is wrong with it.
    pub what: &'static str,
    /// The registry document.
    pub registry: Value,
    /// The upstream document.
    pub upstream: Value,
    /// How it must be told.
    pub kind: ErrorKind,
}

/// A real server of one kind of registry, and what tests do to it.
pub trait Backend: Send + Sync {
    /// Where the server listens.
    fn address(&self) -> SocketAddr;
    /// A `registry` document that reaches it by way of `address`.
    fn registry(&self, address: SocketAddr) -> Value;
    /// A `registry` document that reaches it through `proxy` alone, whose target is `address`.
    fn through<'a>(&'a self, proxy: &'a Proxy) -> BoxFuture<'a, Value> {
        Box::pin(async { self.registry(proxy.address) })
    }
    /// An upstream document that looks `service` up.
    fn upstream(&self, service: &str) -> Value {
        serde_json::json!({"service_name": service})
    }
    /// How long a change may take until it is seen.
    fn patience(&self) -> Duration;
    /// Whether instances have weights.
    fn has_weights(&self) -> bool {
        true
    }
    /// Whether an answer of HTTP can be cut short and garbled in the way.
    fn faults(&self) -> Vec<Fault> {
        vec![
            Fault::Refuse,
            Fault::Hang,
            Fault::Truncate(40),
            Fault::Garbage,
        ]
    }
    /// Registers an instance, or changes its weight.
    fn register<'a>(&'a self, service: &'a str, instance: &'a Instance) -> BoxFuture<'a, ()>;
    /// Takes an instance away.
    fn deregister<'a>(&'a self, service: &'a str, instance: &'a Instance) -> BoxFuture<'a, ()>;
    /// Makes an instance unhealthy, or healthy again; `false` when this kind has no health.
    fn set_healthy<'a>(
        &'a self,
        service: &'a str,
        instance: &'a Instance,
        healthy: bool,
    ) -> BoxFuture<'a, bool>;
    /// Lookups that it must refuse.
    fn refusals(&self) -> BoxFuture<'_, Vec<Refusal>>;
}
