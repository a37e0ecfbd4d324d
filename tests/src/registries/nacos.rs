//! A real Nacos server with authentication.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use weir_discovery::ErrorKind;
use weir_discovery::testkit::{Backend, Instance, Proxy, Refusal};

use super::{STARTS_WITHIN, must, own, script, with};
use crate::client::Client;
use crate::process::Process;
use crate::wait::until;

/// Password of the administrator, and of everybody else.
const PASSWORD: &str = "nacos-test";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
/// Instances are not meant to end because nobody sends heartbeats.
const FOR_EVER: &str =
    r#"{"preserved.heart.beat.timeout":"3600000","preserved.ip.delete.timeout":"3600000"}"#;

/// One server. Instances are ephemeral ones.
pub struct Nacos {
    address: SocketAddr,
    client: Client,
    /// Life of a login.
    token_seconds: u64,
    token: Mutex<Option<(String, Instant)>>,
    /// Runs as long as the value lives.
    _process: Process,
}

impl Nacos {
    /// Starts a server with its state in `dir`, whose logins live so long, and waits until it is
    /// ready.
    pub async fn start(dir: &Path, token_seconds: u64) -> Self {
        let address = own(free_port());
        let mut command = script("nacos.sh");
        command
            .arg(dir.join("nacos"))
            .args([address.ip().to_string(), address.port().to_string()])
            .arg("auth")
            .env("NACOS_TOKEN_SECONDS", token_seconds.to_string());
        let nacos = Self {
            address,
            client: Client::default(),
            token_seconds,
            token: Mutex::default(),
            _process: Process::start("nacos", command, dir),
        };
        nacos.ready().await;
        nacos
    }

    async fn ready(&self) {
        let state = self.url("/v3/admin/core/state/readiness");
        until("Nacos is ready", STARTS_WITHIN, || async {
            let answer = self.client.try_get(&state).await?;
            match answer.status {
                StatusCode::OK => Ok(()),
                _ => Err(answer.text()),
            }
        })
        .await;
        let admin = self.url("/v3/auth/user/admin");
        let password = format!("password={PASSWORD}");
        must(&self.client, Method::POST, &admin, &[FORM], password).await;
        until("Nacos takes logins", STARTS_WITHIN, || async {
            self.login().await.map(drop)
        })
        .await;
    }

    /// Where gRPC is.
    pub fn grpc(&self) -> SocketAddr {
        SocketAddr::new(self.address.ip(), self.address.port() + 1000)
    }

    /// A document that reaches it at these addresses.
    pub fn document(&self, http: SocketAddr, grpc: SocketAddr) -> Value {
        json!({
            "type": "nacos", "host": [format!("http://{http}")], "grpc_port": grpc.port(),
            "username": "nacos", "password": PASSWORD,
            // Long, so that only pushes can be in time.
            "fetch_interval": 20,
            "timeout": {"connect": 1000, "send": 500, "read": 1500}
        })
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}/nacos{path}", self.address)
    }

    async fn login(&self) -> Result<String, String> {
        let url = self.url("/v1/auth/login");
        let form = format!("username=nacos&password={PASSWORD}");
        let answer = self
            .client
            .try_send(Method::POST, &url, &[FORM], form)
            .await?;
        match answer.json()["accessToken"].as_str() {
            Some(token) => Ok(token.to_owned()),
            None => Err(answer.text()),
        }
    }

    async fn token(&self) -> String {
        let lock = || self.token.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lock().clone();
        if let Some((token, until)) = known
            && Instant::now() < until
        {
            return token;
        }
        let token = self.login().await.expect("a login");
        let until = Instant::now() + Duration::from_secs(self.token_seconds) / 2;
        *lock() = Some((token.clone(), until));
        token
    }

    async fn send(&self, method: Method, path: &str, form: String) {
        let token = self.token().await;
        let headers = [FORM, ("accesstoken", token.as_str())];
        must(&self.client, method, &self.url(path), &headers, form).await;
    }

    async fn put(&self, service: &str, instance: &Instance, healthy: bool) {
        let Instance { host, port, weight } = instance;
        let metadata = percent(FOR_EVER);
        let form = format!(
            "serviceName={service}&ip={host}&port={port}&weight={weight}&healthy={healthy}\
             &metadata={metadata}"
        );
        self.send(Method::POST, "/v3/client/ns/instance", form)
            .await;
    }
}

/// A port whose neighbours, which Nacos takes too, are free.
fn free_port() -> u16 {
    let free = |port: u16| TcpListener::bind(("0.0.0.0", port));
    for _ in 0..100 {
        let any = free(0).and_then(|listener| listener.local_addr());
        let port = any.expect("a free port").port();
        let neighbours = [-1000, 1000, 1001].map(|step| port.checked_add_signed(step));
        if neighbours
            .iter()
            .all(|port| port.is_some_and(|port| free(port).is_ok()))
        {
            return port;
        }
    }
    panic!("no four free ports");
}

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

impl Backend for Nacos {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn registry(&self, address: SocketAddr) -> Value {
        self.document(address, self.grpc())
    }

    fn through<'a>(&'a self, proxy: &'a Proxy) -> BoxFuture<'a, Value> {
        async move {
            let grpc = proxy.also(self.grpc()).await;
            self.document(proxy.address, grpc)
        }
        .boxed()
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn register<'a>(&'a self, service: &'a str, instance: &'a Instance) -> BoxFuture<'a, ()> {
        self.put(service, instance, true).boxed()
    }

    fn deregister<'a>(&'a self, service: &'a str, instance: &'a Instance) -> BoxFuture<'a, ()> {
        async move {
            let Instance { host, port, .. } = instance;
            let path =
                format!("/v3/client/ns/instance?serviceName={service}&ip={host}&port={port}");
            self.send(Method::DELETE, &path, String::new()).await;
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
            self.put(service, instance, healthy).await;
            true
        }
        .boxed()
    }

    fn refusals(&self) -> BoxFuture<'_, Vec<Refusal>> {
        async move {
            let service = "weir-refused";
            self.register(service, &Instance::new("127.0.0.1", 8001))
                .await;
            let user = format!("username=blind&password={PASSWORD}");
            self.send(Method::POST, "/v3/auth/user", user).await;
            let good = self.registry(self.address);
            let upstream = self.upstream(service);
            let refusal = |what, registry: Value, kind| Refusal {
                what,
                registry,
                upstream: upstream.clone(),
                kind,
            };
            vec![
                refusal(
                    "no login",
                    with(good.clone(), "username", ""),
                    ErrorKind::Refused,
                ),
                refusal(
                    "no login, over HTTP",
                    with(with(good.clone(), "username", ""), "grpc", false),
                    ErrorKind::Refused,
                ),
                refusal(
                    "a wrong password",
                    with(good.clone(), "password", "wrong"),
                    ErrorKind::Refused,
                ),
                refusal(
                    "a user who may not read it",
                    with(good.clone(), "username", "blind"),
                    ErrorKind::Refused,
                ),
                refusal(
                    "an unknown namespace, answered with an empty list",
                    with(good, "namespace_id", "nowhere"),
                    ErrorKind::UnknownNamespace,
                ),
            ]
        }
        .boxed()
    }
}
