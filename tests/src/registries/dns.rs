//! A real DNS server, with services as SRV records or as plain addresses.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use weir_discovery::ErrorKind;
use weir_discovery::testkit::{Backend, Instance, Refusal};

use super::{Fragile, STARTS_WITHIN, script, with};
use crate::process::Process;
use crate::wait::until;

/// The zone that it serves; it refuses all others.
const ZONE: &str = "weir.test";

/// One server.
pub struct Bind {
    address: SocketAddr,
    process: Process,
    dir: PathBuf,
    /// What is registered, by service.
    records: Mutex<BTreeMap<String, Vec<Instance>>>,
}

impl Bind {
    /// Starts a server with an empty zone, and waits until it answers.
    pub async fn start(dir: &Path) -> Self {
        let address = free().await;
        let bind = Self {
            address,
            process: Self::spawn(address, dir),
            dir: dir.to_owned(),
            records: Mutex::default(),
        };
        bind.ready().await;
        bind
    }

    fn spawn(address: SocketAddr, dir: &Path) -> Process {
        let mut command = script("dns.sh");
        command
            .arg(dir.join("dns"))
            .args([address.ip().to_string(), address.port().to_string()])
            .arg(ZONE);
        Process::start("dns", command, dir)
    }

    async fn ready(&self) {
        until("BIND answers", STARTS_WITHIN, || {
            self.update("update add ready 1 TXT yes\n")
        })
        .await;
    }

    /// Changes records at once; names are those of the zone.
    pub async fn update(&self, changes: &str) -> Result<(), String> {
        let (ip, port) = (self.address.ip(), self.address.port());
        let changes = changes.lines().map(|line| {
            let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            if let Some(name) = words.get_mut(2) {
                name.push_str(&format!(".{ZONE}."));
            }
            words.join(" ")
        });
        let changes: Vec<String> = changes.collect();
        let script = format!(
            "server {ip} {port}\nzone {ZONE}\n{}\nsend\n",
            changes.join("\n")
        );
        let mut child = tokio::process::Command::new("nsupdate")
            .args(["-t", "5"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| error.to_string())?;
        let mut stdin = child.stdin.take().expect("its input");
        stdin
            .write_all(script.as_bytes())
            .await
            .map_err(|error| error.to_string())?;
        drop(stdin);
        let output = child.wait_with_output().await;
        let output = output.map_err(|error| error.to_string())?;
        if output.status.success() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    /// Makes the zone say what is registered.
    async fn write(&self, service: &str, change: impl FnOnce(&mut Vec<Instance>)) {
        let mut records = self.records.lock().await;
        let all = records.entry(service.to_owned()).or_default();
        change(all);
        let mut text = format!("update delete {service} SRV\n");
        for Instance { host, port, weight } in all {
            let name = format!("ip-{}", host.replace('.', "-"));
            // Writing to a string cannot fail.
            let _ = writeln!(text, "update add {name} 1 A {host}");
            let target = format!("{name}.{ZONE}.");
            let _ = writeln!(
                text,
                "update add {service} 1 SRV 0 {weight} {port} {target}"
            );
        }
        self.update(text.trim_end()).await.expect("an update");
    }
}

/// A port of the usual loopback address: BIND listens only on addresses that an interface has.
async fn free() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a free port");
    listener.local_addr().expect("its address")
}

impl Fragile for Bind {
    fn kill(&mut self) {
        self.process.kill();
    }

    fn restart_empty(&mut self) -> BoxFuture<'_, ()> {
        async move {
            self.records.lock().await.clear();
            self.process = Self::spawn(self.address, &self.dir);
            self.ready().await;
        }
        .boxed()
    }
}

impl Backend for Bind {
    fn address(&self) -> SocketAddr {
        self.address
    }

    /// Asked by UDP; by TCP through a proxy.
    fn registry(&self, address: SocketAddr) -> Value {
        json!({
            "type": "dns", "servers": [address.to_string()], "tcp": address != self.address,
            "timeout": 500, "negative_ttl": 0.5
        })
    }

    fn upstream(&self, service: &str) -> Value {
        json!({"service_name": format!("{service}.{ZONE}")})
    }

    /// The life of the records, and a second.
    fn patience(&self) -> Duration {
        Duration::from_secs(2)
    }

    fn register<'a>(&'a self, service: &'a str, instance: &'a Instance) -> BoxFuture<'a, ()> {
        self.write(service, |all| {
            all.retain(|other| (&other.host, other.port) != (&instance.host, instance.port));
            all.push(instance.clone());
        })
        .boxed()
    }

    fn deregister<'a>(&'a self, service: &'a str, instance: &'a Instance) -> BoxFuture<'a, ()> {
        self.write(service, |all| {
            all.retain(|other| (&other.host, other.port) != (&instance.host, instance.port));
        })
        .boxed()
    }

    fn set_healthy<'a>(&'a self, _: &'a str, _: &'a Instance, _: bool) -> BoxFuture<'a, bool> {
        async { false }.boxed()
    }

    fn refusals(&self) -> BoxFuture<'_, Vec<Refusal>> {
        let registry = self.registry(self.address);
        let nobody = SocketAddr::new(self.address.ip(), 1).to_string();
        let all = vec![
            Refusal {
                what: "a zone that it does not serve",
                registry: registry.clone(),
                upstream: json!({"service_name": "web.elsewhere.test"}),
                kind: ErrorKind::Refused,
            },
            Refusal {
                what: "a resolver that is not there",
                registry: with(with(registry, "servers", vec![nobody]), "tcp", true),
                upstream: self.upstream("weir-refused"),
                kind: ErrorKind::Unreachable,
            },
        ];
        async { all }.boxed()
    }
}
