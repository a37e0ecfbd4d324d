//! A real Consul server with access control.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::Method;
use serde_json::{Value, json};
use weir_discovery::ErrorKind;
use weir_discovery::testkit::{Backend, Instance, Refusal};

use super::{Fragile, STARTS_WITHIN, must, own, script, with};
use crate::client::Client;
use crate::process::Process;
use crate::wait::until;

/// The management token of every test server.
const TOKEN: &str = "5eed0000-0000-4000-8000-000000000001";

/// One server. It refuses whoever has no token.
pub struct Consul {
    address: SocketAddr,
    client: Client,
    dir: std::path::PathBuf,
    process: Process,
    /// Whether services are folders of keys instead of registrations.
    pub keys: bool,
}

impl Consul {
    /// Starts a server with its state in `dir`, and waits until it leads.
    pub async fn start(dir: &Path) -> Self {
        let address = own(8500);
        let consul = Self {
            address,
            client: Client::default(),
            dir: dir.to_owned(),
            process: Self::spawn(address, dir),
            keys: false,
        };
        consul.ready().await;
        consul
    }

    fn spawn(address: SocketAddr, dir: &Path) -> Process {
        let mut command = script("consul.sh");
        command
            .arg(dir.join("consul"))
            .args([address.ip().to_string(), address.port().to_string()])
            .arg("deny")
            .env("CONSUL_TOKEN", TOKEN);
        Process::start("consul", command, dir)
    }

    async fn ready(&self) {
        until("Consul leads", STARTS_WITHIN, || async {
            let nodes = self.url("/v1/catalog/nodes");
            let headers = [("x-consul-token", TOKEN)];
            let answer = self
                .client
                .try_send(Method::GET, &nodes, &headers, "")
                .await?;
            match answer.json().as_array().map(Vec::len) {
                Some(1..) => Ok(()),
                _ => Err(answer.text()),
            }
        })
        .await;
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    async fn put(&self, path: &str, body: &Value) -> Value {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let headers = [("x-consul-token", TOKEN)];
        let answer = must(&self.client, Method::PUT, &self.url(path), &headers, body).await;
        serde_json::from_slice(&answer.body).unwrap_or_default()
    }

    /// A token with these rules.
    async fn token(&self, name: &str, rules: &str) -> String {
        let policy = json!({"Name": name, "Rules": rules});
        self.put("/v1/acl/policy", &policy).await;
        let token = json!({"Policies": [{"Name": name}]});
        let token = self.put("/v1/acl/token", &token).await;
        token["SecretID"].as_str().expect("a token").to_owned()
    }

    fn id(service: &str, instance: &Instance) -> String {
        format!("{service}-{}-{}", instance.host, instance.port)
    }

    fn key(service: &str, instance: &Instance) -> String {
        format!(
            "/v1/kv/upstreams/{service}/{}:{}",
            instance.host, instance.port
        )
    }
}

impl Fragile for Consul {
    fn kill(&mut self) {
        self.process.kill();
    }

    fn restart_empty(&mut self) -> BoxFuture<'_, ()> {
        async move {
            std::fs::remove_dir_all(self.dir.join("consul")).expect("data of the server");
            self.process = Self::spawn(self.address, &self.dir);
            self.ready().await;
        }
        .boxed()
    }
}

impl Backend for Consul {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn registry(&self, address: SocketAddr) -> Value {
        let kind = if self.keys { "consul_kv" } else { "consul" };
        json!({
            "type": kind, "servers": [format!("http://{address}")], "token": TOKEN,
            // A blocking query must not wait longer than a fault may last.
            "timeout": {"connect": 2000, "read": 1000, "wait": 3}
        })
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn register<'a>(&'a self, service: &'a str, instance: &'a Instance) -> BoxFuture<'a, ()> {
        async move {
            if self.keys {
                let value = json!({"weight": instance.weight, "max_fails": 1});
                self.put(&Self::key(service, instance), &value).await;
                return;
            }
            let id = Self::id(service, instance);
            let registration = json!({
                "ID": id, "Name": service, "Address": instance.host, "Port": instance.port,
                "Weights": {"Passing": instance.weight, "Warning": 1},
                "Check": {"CheckID": id, "Name": "up", "TTL": "1h", "Status": "passing"}
            });
            self.put("/v1/agent/service/register", &registration).await;
        }
        .boxed()
    }

    fn deregister<'a>(&'a self, service: &'a str, instance: &'a Instance) -> BoxFuture<'a, ()> {
        async move {
            if self.keys {
                let url = self.url(&Self::key(service, instance));
                let headers = [("x-consul-token", TOKEN)];
                must(&self.client, Method::DELETE, &url, &headers, "").await;
                return;
            }
            let id = Self::id(service, instance);
            let path = format!("/v1/agent/service/deregister/{id}");
            self.put(&path, &Value::Null).await;
        }
        .boxed()
    }

    fn set_healthy<'a>(
        &'a self,
        service: &'a str,
        instance: &'a Instance,
        healthy: bool,
    ) -> BoxFuture<'a, bool> {
        async move {
            if self.keys {
                return false;
            }
            let status = if healthy { "pass" } else { "fail" };
            let id = Self::id(service, instance);
            self.put(&format!("/v1/agent/check/{status}/{id}"), &Value::Null)
                .await;
            true
        }
        .boxed()
    }

    fn refusals(&self) -> BoxFuture<'_, Vec<Refusal>> {
        async move {
            let service = "weir-refused";
            self.register(service, &Instance::new("127.0.0.1", 8001))
                .await;
            let good = self.registry(self.address);
            let upstream = self.upstream(service);
            let refusal = |what, registry: Value, kind| Refusal {
                what,
                registry,
                upstream: upstream.clone(),
                kind,
            };
            let other = match self.keys {
                true => "key_prefix \"upstreams/other\" { policy = \"read\" }",
                false => {
                    "service \"other\" { policy = \"read\" } node_prefix \"\" { policy = \"read\" }"
                }
            };
            let name = if self.keys {
                "other-keys"
            } else {
                "other-services"
            };
            let blind = self.token(name, other).await;
            let nobody = "11111111-2222-4333-8444-555555555555";
            let dc = with(good.clone(), "datacenter", "nowhere");
            vec![
                refusal(
                    "no token, answered with an empty list",
                    with(good.clone(), "token", ""),
                    ErrorKind::Refused,
                ),
                refusal(
                    "a token that may not read it",
                    with(good.clone(), "token", blind),
                    ErrorKind::Refused,
                ),
                refusal(
                    "an unknown token",
                    with(good.clone(), "token", nobody),
                    ErrorKind::Refused,
                ),
                refusal("an unknown datacenter", dc, ErrorKind::UnknownNamespace),
                refusal(
                    "a namespace that there is not",
                    with(good, "namespace", "nowhere"),
                    ErrorKind::UnknownNamespace,
                ),
            ]
        }
        .boxed()
    }
}
