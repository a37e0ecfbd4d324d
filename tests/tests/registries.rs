//! Every registry passes the suite of `weir-discovery` against its real server.
//!
//! Needs the servers that `make test-registries` sets up, so these tests run only when asked for.

#![allow(clippy::unwrap_used, reason = "test code")]

use weir_discovery::testkit;
use weir_tests::registries::Consul;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a real Consul: make test-registries"]
async fn consul_passes_the_suite() {
    let dir = tempfile::tempdir().unwrap();
    let mut consul = Consul::start(dir.path()).await;
    testkit::run(&consul).await;
    consul.keys = true;
    testkit::run(&consul).await;
}
