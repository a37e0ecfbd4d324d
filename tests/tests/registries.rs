//! Every registry passes the suite of `weir-discovery` against its real server.
//!
//! Needs the servers that `make test-registries` sets up, so these tests run only when asked for.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

use std::time::Duration;

use weir_discovery::testkit::{self, Backend as _, Instance, Watch};
use weir_tests::registries::{Bind, Consul, Eureka, Nacos};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a real Consul: make test-registries"]
async fn consul_passes_the_suite() {
    let dir = tempfile::tempdir().unwrap();
    let mut consul = Consul::start(dir.path()).await;
    testkit::run(&consul).await;
    consul.keys = true;
    testkit::run(&consul).await;
}

/// Logins live so short that they are renewed all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a real Nacos: make test-registries"]
async fn nacos_passes_the_suite() {
    let dir = tempfile::tempdir().unwrap();
    let nacos = Nacos::start(dir.path(), 15).await;
    testkit::run(&nacos).await;
    nacos_is_polled_where_grpc_cannot_be_had(&nacos).await;
}

async fn nacos_is_polled_where_grpc_cannot_be_had(nacos: &Nacos) {
    let nobody = std::net::SocketAddr::new(nacos.address().ip(), 1);
    let mut registry = nacos.document(nacos.address(), nobody);
    registry["fetch_interval"] = 1.into();
    let watch = Watch::start(&registry, &nacos.upstream("polled"));
    let one = Instance::new("127.0.0.1", 8001);
    nacos.register("polled", &one).await;
    let limit = Duration::from_secs(20);
    watch.sees(&["127.0.0.1:8001"], limit).await;
    let note = watch.state().seen.and_then(|seen| seen.note);
    let note = note.unwrap_or_default();
    assert!(
        note.starts_with("polled every 1s, since gRPC fails"),
        "{note}"
    );
    nacos.deregister("polled", &one).await;
    watch.sees(&[], limit).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a real Eureka: make test-registries"]
async fn eureka_passes_the_suite() {
    let dir = tempfile::tempdir().unwrap();
    let eureka = Eureka::start(dir.path()).await;
    testkit::run(&eureka).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a real DNS server: make test-registries"]
async fn dns_passes_the_suite() {
    let dir = tempfile::tempdir().unwrap();
    let bind = Bind::start(dir.path()).await;
    testkit::run(&bind).await;
}
