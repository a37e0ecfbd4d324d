//! A cluster with an agent of one worker, the recording node, and a good client.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;
use rustls::pki_types::CertificateDer;
use serde_json::json;
use weir_tests::agent::revision;
use weir_tests::vitals::{self, Vitals};
use weir_tests::{Agent, Cluster};

use super::client::{PATIENCE, Target};
use super::recorder::Recorder;

/// Short, so that who holds what it has is seen to be let go; and nobody is refused because the
/// machine that runs the tests is busy.
const LIMITS: &str = "proxy:\n  limits:\n    send_time: 2s\n    adaptive: false\n";

pub(crate) struct Stage {
    pub(crate) agent: Agent,
    pub(crate) node: Recorder,
    pub(crate) clear: Target,
    pub(crate) tls: Target,
    _cluster: Cluster,
}

impl Stage {
    pub(crate) async fn start() -> Self {
        let cluster = Cluster::start(1).await;
        let node = Recorder::start().await;
        let file = cluster.dir().join("agent.yaml");
        std::fs::write(&file, LIMITS).unwrap();
        let extra = ["--config", file.to_str().unwrap()];
        let agent = Agent::start_with("agent", &cluster.grpc_list(), cluster.dir(), &extra);
        agent.ready().await;
        let issued =
            rcgen::generate_simple_self_signed(["t.test".to_owned(), "localhost".to_owned()])
                .unwrap();
        let ssl = json!({"snis": ["t.test", "localhost"], "cert": issued.cert.pem(), "key": issued.signing_key.serialize_pem()});
        cluster.nodes[0].put("ssls/t", &ssl).await;
        let route = json!({"uri": "/*", "upstream": {"nodes": {node.address.to_string(): 1}}});
        cluster.nodes[0].put("routes/r", &route).await;
        let sockets = json!({"uri": "/hostile/socket", "enable_websocket": true,
            "upstream": {"nodes": {node.address.to_string(): 1}}});
        cluster.nodes[0].put("routes/s", &sockets).await;
        // The suite leaves a case out where an answer is shorter than five bytes.
        let long = json!({"uri": "/long", "upstream": {"nodes": {node.address.to_string(): 1}},
            "plugins": {"response-rewrite": {"body": "an answer of some length\n"}}});
        let answer = cluster.nodes[0].put("routes/l", &long).await;
        agent.applied(revision(&answer)).await;
        let at = |port| SocketAddr::new(agent.ip.into(), port);
        let (clear, tls) = (at(9080), at(9443));
        Self {
            node,
            clear: Target {
                address: clear,
                tls: None,
            },
            tls: Target {
                address: tls,
                tls: Some(Arc::new(trusting(issued.cert.der()))),
            },
            agent,
            _cluster: cluster,
        }
    }

    /// Time of a processor that the agent has used.
    pub(crate) fn processor_time(&mut self) -> Duration {
        vitals::processor_time(self.agent.process().pid())
    }

    /// Memory that the agent has, in bytes.
    pub(crate) fn memory(&mut self) -> u64 {
        Vitals::of(self.agent.process().pid()).memory << 10
    }
}

fn trusting(certificate: &CertificateDer<'_>) -> rustls::ClientConfig {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate.clone().into_owned()).unwrap();
    let mut config = rustls::ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}

/// A client that behaves, on a connection of its own.
pub(crate) struct Good {
    sender: SendRequest<Bytes>,
    scheme: &'static str,
}

impl Good {
    pub(crate) async fn connect(target: &Target) -> Self {
        let io = target.open().await.expect("connected");
        let (sender, connection) = h2::client::handshake(io).await.expect("introduced");
        tokio::spawn(async move {
            let _ = connection.await;
        });
        Self {
            sender,
            scheme: target.scheme(),
        }
    }

    /// One request; the status.
    pub(crate) async fn ask(&self) -> Result<u16, h2::Error> {
        let uri = format!("{}://t.test/good", self.scheme);
        let request = Request::get(uri).body(()).unwrap();
        let mut sender = self.sender.clone().ready().await?;
        let (answer, _) = sender.send_request(request, true)?;
        let asked = async {
            let mut answer = answer.await?;
            while let Some(piece) = answer.body_mut().data().await {
                let size = piece?.len();
                answer.body_mut().flow_control().release_capacity(size)?;
            }
            Ok(answer.status().as_u16())
        };
        tokio::time::timeout(PATIENCE, asked)
            .await
            .expect("answered in time")
    }
}
