//! A simulator of Consul's HTTP API: health of services, with blocking queries. No Consul.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;
use weir_model::endpoint::Endpoint;

/// What is known of a service.
#[derive(Debug, Clone)]
struct Service {
    /// Consul's index of its last change.
    index: u64,
    /// Ports of its nodes, which all have one address a service.
    ports: Vec<u16>,
}

/// The server. It lives as long as the program.
pub(crate) struct Simulator {
    pub(crate) address: SocketAddr,
    services: Vec<watch::Sender<Service>>,
    index: AtomicU64,
    /// The port that the next new node gets, by service.
    next: Vec<Mutex<u16>>,
}

/// Name of a service.
pub(crate) fn name(number: usize) -> String {
    format!("service-{number}")
}

fn host(number: usize) -> String {
    format!("10.1.{}.{}", number / 250, number % 250 + 1)
}

impl Simulator {
    /// Starts it with so many services of so many nodes each.
    pub(crate) async fn start(services: usize, nodes: usize) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let last = 8000 + u16::try_from(nodes).expect("few nodes");
        let service = Service {
            index: 1,
            ports: (8000..last).collect(),
        };
        let simulator = Arc::new(Self {
            address: listener.local_addr().expect("an address"),
            services: (0..services)
                .map(|_| watch::Sender::new(service.clone()))
                .collect(),
            index: AtomicU64::new(1),
            next: (0..services).map(|_| Mutex::new(last)).collect(),
        });
        let serving = Arc::clone(&simulator);
        tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    continue;
                };
                let simulator = Arc::clone(&serving);
                tokio::spawn(async move {
                    let answer = service_fn(|request| simulator.answer(request));
                    let http = hyper::server::conn::http1::Builder::new();
                    // The other side may go at any time.
                    let _ = http.serve_connection(TokioIo::new(stream), answer).await;
                });
            }
        });
        simulator
    }

    /// Replaces one node of a service by another.
    pub(crate) fn change(&self, number: usize) {
        let at = number % self.services.len().max(1);
        let (Some(service), Some(next)) = (self.services.get(at), self.next.get(at)) else {
            return;
        };
        let port = {
            let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
            *next = next.checked_add(1).unwrap_or(8000);
            *next
        };
        let index = self.index.fetch_add(1, Ordering::Relaxed) + 1;
        service.send_modify(|service| {
            service.index = index;
            service.ports.remove(0);
            service.ports.push(port);
        });
    }

    /// All services with their endpoints.
    pub(crate) fn endpoints(&self) -> impl Iterator<Item = (String, Vec<Endpoint>)> {
        self.services.iter().enumerate().map(|(number, service)| {
            let ports = service.borrow().ports.clone();
            let endpoints = ports
                .into_iter()
                .map(|port| Endpoint::new(host(number), Some(port)));
            (name(number), endpoints.collect())
        })
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let path = request.uri().path();
        let number = path.strip_prefix("/v1/health/service/");
        // Names are percent-encoded, and those of ours have one special character.
        let number = number.and_then(|name| {
            name.replace("%2D", "-")
                .strip_prefix("service-")?
                .parse()
                .ok()
        });
        let found = number.and_then(|number: usize| Some((number, self.services.get(number)?)));
        let Some((number, service)) = found else {
            return Ok(reply(StatusCode::NOT_FOUND, 0, &Value::Null));
        };
        let query = request.uri().query().unwrap_or_default();
        let argument = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(is, _)| *is == name).map(|(_, value)| value)
        };
        let known: u64 = argument("index")
            .and_then(|text| text.parse().ok())
            .unwrap_or(0);
        let wait = argument("wait").and_then(|text| text.trim_end_matches('s').parse().ok());
        let mut changes = service.subscribe();
        let newer = changes.wait_for(|service| service.index > known);
        // When nothing changes, the same is said again.
        let _ = timeout(Duration::from_secs(wait.unwrap_or(0)), newer).await;
        let Service { index, ports } = service.borrow().clone();
        let host = host(number);
        let entries: Vec<Value> = ports
            .iter()
            .map(|port| entry(number, &host, *port))
            .collect();
        Ok(reply(StatusCode::OK, index, &Value::from(entries)))
    }
}

/// As large as the real ones are.
fn entry(number: usize, host: &str, port: u16) -> Value {
    let (service, id) = (name(number), format!("{}-{port}", name(number)));
    json!({
        "Node": {
            "ID": "5f3d6c1e-0000-4000-8000-000000000001", "Node": "node-1", "Address": host,
            "Datacenter": "dc1", "TaggedAddresses": {"lan": host, "wan": host},
            "Meta": {"consul-network-segment": ""}, "CreateIndex": 11, "ModifyIndex": 12
        },
        "Service": {
            "ID": id, "Service": service, "Tags": ["v1"], "Address": host, "Port": port,
            "Meta": {}, "Weights": {"Passing": 1, "Warning": 1}, "EnableTagOverride": false,
            "CreateIndex": 13, "ModifyIndex": 13
        },
        "Checks": [{
            "Node": "node-1", "CheckID": id, "Name": "up", "Status": "passing", "Output": "",
            "ServiceID": id, "ServiceName": service, "Type": "ttl", "Definition": {}
        }]
    })
}

fn reply(status: StatusCode, index: u64, body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert("x-consul-index", index.into());
    response
}
