//! The gateways, and the origin behind them: nginx, which is faster than what is measured.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use weir_tests::agent::revision;
use weir_tests::nginx::Nginx;
use weir_tests::process::Process;
use weir_tests::wait::until;
use weir_tests::{Agent, Client, Cluster, address};

/// Ports of what nginx has besides its first server.
const PORT: u16 = 8081;

/// One of those that are compared.
pub(crate) struct Gateway {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    pub(crate) process: u32,
}

/// All of them, for as long as it lives.
pub(crate) struct Bed {
    gateways: Vec<Gateway>,
    _weir: Agent,
    _nginx: Vec<Nginx>,
    _haproxy: Option<Process>,
    _cluster: Cluster,
}

impl Bed {
    pub(crate) async fn start() -> Self {
        let cluster = Cluster::start(1).await;
        let dir = cluster.dir();
        let origin = origin(dir).await;
        let node = format!("{}:{PORT}", origin.ip);
        let mut weir = weir(&cluster, &node).await;
        let nginx = nginx(dir, &node).await;
        let mut gateways = vec![
            Gateway {
                name: "weir",
                address: weir.http(),
                process: weir.process().pid(),
            },
            Gateway {
                name: "nginx",
                address: SocketAddr::from((nginx.ip, PORT)),
                process: nginx.process().pid(),
            },
        ];
        let haproxy = haproxy(dir, &node).await;
        if let Some((address, process)) = &haproxy {
            gateways.push(Gateway {
                name: "haproxy",
                address: *address,
                process: process.pid(),
            });
        }
        Self {
            gateways,
            _weir: weir,
            _nginx: vec![origin, nginx],
            _haproxy: haproxy.map(|(_, process)| process),
            _cluster: cluster,
        }
    }

    pub(crate) fn gateways(&self) -> &[Gateway] {
        &self.gateways
    }
}

async fn origin(dir: &Path) -> Nginx {
    std::fs::write(dir.join("large"), vec![b'x'; 100_000]).expect("a file");
    let small = "x".repeat(1_000);
    let large = dir.join("large");
    let large = large.display();
    Nginx::start_with("origin", dir, |ip| {
        format!(
            "server {{ listen {ip}:{PORT}; default_type text/plain;
               location = /small {{ return 200 {small}; }}
               location = /large {{ alias {large}; }}
               location = /take {{ return 200 taken; }} }}"
        )
    })
    .await
}

async fn weir(cluster: &Cluster, node: &str) -> Agent {
    let file = cluster.dir().join("agent.yaml");
    std::fs::write(&file, "access_log: \"off\"\n").expect("a file");
    let file = file.to_str().expect("a path");
    let extra = ["--workers", "1", "--config", file];
    let agent = Agent::start_with("bench", &cluster.grpc_list(), cluster.dir(), &extra);
    agent.ready().await;
    let route = json!({"uri": "/*", "upstream": {"nodes": {node: 1}}});
    let control = cluster.nodes.first().expect("a node");
    let answer = control.put("routes/all", &route).await;
    agent.applied(revision(&answer)).await;
    agent
}

async fn nginx(dir: &Path, node: &str) -> Nginx {
    Nginx::start_with("gateway", dir, |ip| {
        format!(
            "upstream origin {{ server {node}; keepalive 320; keepalive_requests 1000000; }}
             server {{ listen {ip}:{PORT};
               location / {{ proxy_pass http://origin; proxy_http_version 1.1;
                 proxy_set_header Connection \"\"; proxy_set_header Host $host; }} }}"
        )
    })
    .await
}

/// Where it is installed.
async fn haproxy(dir: &Path, node: &str) -> Option<(SocketAddr, Process)> {
    let ip: Ipv4Addr = address::fresh();
    let at = SocketAddr::from((ip, PORT));
    let config = format!(
        "global\n  nbthread 1\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n\
         listen all\n  bind {at}\n  http-reuse always\n  server origin {node}\n"
    );
    let file = dir.join("haproxy.cfg");
    std::fs::write(&file, config).expect("a file");
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!("{path}:/usr/sbin:/sbin");
    let installed = std::env::split_paths(&path).any(|dir| dir.join("haproxy").exists());
    if !installed {
        return None;
    }
    let mut command = Command::new("haproxy");
    command.env("PATH", path).arg("-db").arg("-f").arg(&file);
    let process = Process::start("haproxy", command, dir);
    let client = Client::default();
    until("haproxy answers", Duration::from_secs(20), || async {
        client.try_get(&format!("http://{at}/small")).await
    })
    .await;
    Some((at, process))
}
