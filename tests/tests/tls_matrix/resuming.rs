//! Sessions are resumed at every agent of a group, and nowhere else: not in another group, not for
//! another name, not after the certificate changed, not where clients show certificates.

use std::path::PathBuf;

use serde_json::json;
use weir_tests::Agent;
use weir_tests::cluster::PATIENCE;
use weir_tests::wait::until;

use super::client::openssl;
use super::mint::{Authority, Kind};
use super::setup::Bench;

/// One client: what it keeps of its first connection.
struct Client<'b> {
    bench: &'b Bench,
    file: PathBuf,
}

impl Client<'_> {
    /// Connects to `agent` and keeps the session.
    fn meets(&self, agent: &Agent, arguments: &str) -> String {
        self.connect(agent, arguments, "-sess_out")
    }

    /// Comes to `agent` with the session; whether it was resumed.
    fn is_known(&self, agent: &Agent, arguments: &str) -> bool {
        let seen = self.connect(agent, arguments, "-sess_in");
        assert!(seen.contains("HTTP/1.1 200"), "{arguments}: {seen}");
        let (new, reused) = (seen.contains("New, TLSv1"), seen.contains("Reused, TLSv1"));
        assert!(new != reused, "{arguments}: {seen}");
        reused
    }

    fn connect(&self, agent: &Agent, arguments: &str, how: &str) -> String {
        let mut arguments: Vec<&str> = arguments.split_whitespace().collect();
        arguments.extend([how, self.file.to_str().unwrap()]);
        let name = arguments.iter().position(|word| *word == "-servername");
        let host = name.map_or("", |at| arguments[at + 1]);
        let dir = self.bench.cluster.dir();
        assert!(self.file.starts_with(dir));
        openssl(agent, &arguments, host, "/")
    }
}

const ONE: &str = "-tls1_3 -servername one.test";
const ONE_12: &str = "-tls1_2 -servername one.test";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_are_resumed_within_a_group_and_nowhere_else() {
    let bench = Bench::start("").await;
    let dir = bench.cluster.dir();
    let control = bench.cluster.grpc_list();
    let silent = dir.join("silent.yaml");
    std::fs::write(&silent, "apisix: {ssl: {ssl_session_tickets: false}}\n").unwrap();
    let second = Agent::start("second", &control, dir);
    let other = Agent::start_with("other", &control, dir, &["--group", "other"]);
    let off = Agent::start_with(
        "off",
        &control,
        dir,
        &["--config", silent.to_str().unwrap()],
    );

    let servers = Authority::new(dir, "servers");
    let clients = Authority::new(dir, "clients");
    let shown = clients.mint(dir, "client", "client", Kind::Ecdsa);
    let object = |name: &str, more: serde_json::Value| {
        let minted = servers.mint(dir, name, name, Kind::Ecdsa);
        let mut object = json!({"snis": [name, format!("{name}er")],
            "cert": minted.cert, "key": minted.key});
        let fields = object.as_object_mut().unwrap();
        fields.extend(more.as_object().unwrap().clone());
        object
    };
    bench.put("ssls/one", object("one.test", json!({}))).await;
    bench
        .put(
            "ssls/mutual",
            object("mutual.test", json!({"client": {"ca": clients.pem}})),
        )
        .await;
    let revision = bench.agent.status().await.unwrap()["revision"]
        .as_u64()
        .unwrap();
    for agent in [&second, &other, &off] {
        agent.ready().await;
        agent.applied(revision).await;
    }
    let client = Client {
        bench: &bench,
        file: dir.join("session"),
    };

    // The control plane tells the secret with its next signs of life.
    until("a session of one agent at the other", PATIENCE, || async {
        client.meets(&bench.agent, ONE);
        match client.is_known(&second, ONE) {
            true => Ok(()),
            false => Err("a full handshake"),
        }
    })
    .await;
    let before = second
        .client
        .get(&second.status_url("/metrics"))
        .await
        .text();
    assert!(
        !before.contains("weir_proxy_tls_resumptions_total 0\n"),
        "{before}"
    );
    client.meets(&bench.agent, ONE_12);
    assert!(client.is_known(&second, ONE_12), "TLS 1.2");
    client.meets(&second, ONE);
    assert!(client.is_known(&bench.agent, ONE), "the other way round");
    assert!(!client.is_known(&other, ONE), "another group");
    assert!(
        !client.is_known(&second, "-tls1_3 -servername one.tester"),
        "another name"
    );
    client.meets(&other, ONE);
    assert!(client.is_known(&other, ONE), "the other group itself");
    assert!(!client.is_known(&second, ONE), "a session of another group");
    client.meets(&off, ONE);
    assert!(
        !client
            .file
            .metadata()
            .is_ok_and(|file| file.len() > 0 && client.is_known(&off, ONE))
    );

    let shows = format!(
        "-servername mutual.test -cert {} -key {}",
        shown.cert_file.display(),
        shown.key_file.display()
    );
    for version in ["-tls1_2", "-tls1_3"] {
        let shows = format!("{version} {shows}");
        client.meets(&bench.agent, &shows);
        assert!(!client.is_known(&bench.agent, &shows), "{shows}");
    }

    client.meets(&bench.agent, ONE);
    assert!(client.is_known(&bench.agent, ONE));
    bench.put("ssls/one", object("one.test", json!({}))).await;
    assert!(!client.is_known(&bench.agent, ONE), "another certificate");
}
