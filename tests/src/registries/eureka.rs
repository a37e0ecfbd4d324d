//! A real Eureka server that wants a login.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
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

const USER: &str = "gateway";
const PASSWORD: &str = "let me in";
/// Both, as a header has them.
const LOGIN: &str = "Basic Z2F0ZXdheTpsZXQgbWUgaW4=";

/// One server.
pub struct Eureka {
    address: SocketAddr,
    client: Client,
    process: Process,
    dir: PathBuf,
}

impl Eureka {
    /// Starts a server, and waits until it answers.
    pub async fn start(dir: &Path) -> Self {
        let address = own(8761);
        let eureka = Self {
            address,
            client: Client::default(),
            process: Self::spawn(address, dir),
            dir: dir.to_owned(),
        };
        eureka.ready().await;
        eureka
    }

    fn spawn(address: SocketAddr, dir: &Path) -> Process {
        let mut command = script("eureka.sh");
        command
            .arg(dir.join("eureka"))
            .args([address.ip().to_string(), address.port().to_string()])
            .env("EUREKA_USER", USER)
            .env("EUREKA_PASSWORD", PASSWORD);
        Process::start("eureka", command, dir)
    }

    async fn ready(&self) {
        until("Eureka answers", STARTS_WITHIN, || async {
            let headers = [("authorization", LOGIN)];
            let url = self.url("");
            let answer = self
                .client
                .try_send(Method::GET, &url, &headers, "")
                .await?;
            if answer.status == 200 {
                Ok(())
            } else {
                Err(answer.status.to_string())
            }
        })
        .await;
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}/eureka/apps{path}", self.address)
    }

    async fn ask(&self, method: Method, path: &str, body: String) {
        let headers = [
            ("authorization", LOGIN),
            ("content-type", "application/json"),
        ];
        must(&self.client, method, &self.url(path), &headers, body).await;
    }

    fn place(service: &str, instance: &Instance) -> String {
        let app = service.to_ascii_uppercase();
        format!("/{app}/{}-{}", instance.host, instance.port)
    }
}

impl Fragile for Eureka {
    fn kill(&mut self) {
        self.process.kill();
    }

    fn restart_empty(&mut self) -> BoxFuture<'_, ()> {
        async move {
            self.process = Self::spawn(self.address, &self.dir);
            self.ready().await;
        }
        .boxed()
    }
}

impl Backend for Eureka {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn registry(&self, address: SocketAddr) -> Value {
        json!({
            "type": "eureka", "host": [format!("http://{address}")],
            "username": USER, "password": PASSWORD, "fetch_interval": 1,
            "timeout": {"connect": 1000, "send": 500, "read": 1500}
        })
    }

    /// Its own caches, the interval, and a second.
    fn patience(&self) -> Duration {
        Duration::from_millis(2500)
    }

    fn register<'a>(&'a self, service: &'a str, instance: &'a Instance) -> BoxFuture<'a, ()> {
        async move {
            let app = service.to_ascii_uppercase();
            let instance = json!({"instance": {
                "instanceId": format!("{}-{}", instance.host, instance.port),
                "app": app, "hostName": "one.example", "ipAddr": instance.host, "status": "UP",
                "port": {"$": instance.port, "@enabled": "true"},
                "securePort": {"$": 443, "@enabled": "false"},
                "dataCenterInfo": {
                    "@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo",
                    "name": "MyOwn"
                },
                "leaseInfo": {"renewalIntervalInSecs": 3600, "durationInSecs": 36000},
                "metadata": {"weight": instance.weight.to_string(), "zone": "a"}
            }});
            self.ask(Method::POST, &format!("/{app}"), instance.to_string())
                .await;
        }
        .boxed()
    }

    fn deregister<'a>(&'a self, service: &'a str, instance: &'a Instance) -> BoxFuture<'a, ()> {
        async move {
            let place = Self::place(service, instance);
            self.ask(Method::DELETE, &place, String::new()).await;
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
            let place = format!("{}/status", Self::place(service, instance));
            let (method, status) = match healthy {
                true => (Method::DELETE, "UP"),
                false => (Method::PUT, "OUT_OF_SERVICE"),
            };
            self.ask(method, &format!("{place}?value={status}"), String::new())
                .await;
            true
        }
        .boxed()
    }

    fn refusals(&self) -> BoxFuture<'_, Vec<Refusal>> {
        let refusal = |what, field, value: &str| Refusal {
            what,
            registry: with(self.registry(self.address), field, value),
            upstream: self.upstream("weir-refused"),
            kind: ErrorKind::Refused,
        };
        let all = vec![
            refusal("no login", "username", ""),
            refusal("a wrong password", "password", "wrong"),
            Refusal {
                kind: ErrorKind::Failed,
                ..refusal("a path that there is not", "prefix", "/nowhere")
            },
        ];
        async { all }.boxed()
    }
}
