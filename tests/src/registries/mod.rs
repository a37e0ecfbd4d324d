//! Real registry servers, and servers that plugins report to, started by the scripts in `scripts/registries`.

mod consul;
mod dns;
mod eureka;
mod nacos;
mod oidc;
mod opa;
mod sinks;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Method, StatusCode};
use serde_json::Value;
use weir_discovery::testkit::Backend;

pub use consul::Consul;
pub use dns::Bind;
pub use eureka::Eureka;
pub use nacos::Nacos;
pub use oidc::Oidc;
pub use opa::Opa;
pub use sinks::{Kafka, Zipkin};

use crate::client::{Answer, Client};
use crate::wait::until;

/// How long a server may take to start on a busy machine.
pub const STARTS_WITHIN: Duration = Duration::from_secs(240);

/// A server that a test takes away and brings back.
pub trait Fragile: Backend {
    /// Ends the server without a word.
    fn kill(&mut self);

    /// Starts it again at the same address, with nothing of before.
    fn restart_empty(&mut self) -> BoxFuture<'_, ()>;
}

/// A script that starts a server, with its arguments to be added.
fn script(name: &str) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let path: PathBuf = root.join("scripts/registries").join(name);
    Command::new(path)
}

/// Waits until a server that was just started answers at `url` with 200.
async fn well(what: &str, url: &str) {
    let client = Client::default();
    until(what, STARTS_WITHIN, || async {
        let answer = client.try_get(url).await?;
        if answer.status == 200 {
            Ok(())
        } else {
            Err(answer.text())
        }
    })
    .await;
}

/// Sends a request that must be answered with a success.
async fn must(
    client: &Client,
    method: Method,
    url: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Answer {
    let answer = client.send(method, url, headers, body).await;
    assert!(
        answer.status.is_success() || answer.status == StatusCode::NOT_MODIFIED,
        "{url}: {} {}",
        answer.status,
        answer.text()
    );
    answer
}

/// A document with one more field.
fn with(mut document: Value, field: &str, value: impl Into<Value>) -> Value {
    document[field] = value.into();
    document
}

/// An address of our own with a port of the server's choice.
fn own(port: u16) -> SocketAddr {
    SocketAddr::from((crate::address::fresh(), port))
}
