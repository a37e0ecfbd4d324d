//! TLS towards a real nginx: verification against our own authorities, names, dates, client
//! certificates, old protocols and ciphers. Each failure has its reason in the access log.

use std::path::Path;

use serde_json::{Value, json};
use weir_tests::agent::revision;
use weir_tests::cluster::PATIENCE;
use weir_tests::spec::certificates::{authority, pair};
use weir_tests::wait::until;
use weir_tests::{Agent, Answer, Cluster, Nginx};

/// Ports of the servers of nginx, by what is special with each.
const GOOD: u16 = 8441;
const OTHER: u16 = 8442;
const EXPIRED: u16 = 8443;
const MUTUAL: u16 = 8444;
const OLD: u16 = 8445;
const CIPHER: u16 = 8446;
const HTTP2: u16 = 8447;

struct Bench {
    cluster: Cluster,
    agent: Agent,
    nginx: Nginx,
}

/// Writes a certificate and its key, and says how nginx names them.
fn certificate(home: &Path, name: &str, by: &str, expired: bool) -> String {
    let pair = pair(name, by, expired);
    let file = |kind: &str| home.join(format!("{name}-{by}-{expired}.{kind}"));
    std::fs::write(file("pem"), pair.cert).unwrap();
    std::fs::write(file("key"), pair.key).unwrap();
    let (cert, key) = (file("pem"), file("key"));
    format!(
        "ssl_certificate {}; ssl_certificate_key {};",
        cert.display(),
        key.display()
    )
}

impl Bench {
    async fn start() -> Self {
        let cluster = Cluster::start(1).await;
        let dir = cluster.dir();
        let good = certificate(dir, "node.test", "trusted", false);
        let other = certificate(dir, "node.test", "other", false);
        let expired = certificate(dir, "node.test", "trusted", true);
        let clients = dir.join("clients.pem");
        std::fs::write(&clients, authority("trusted")).unwrap();
        let mutual = format!(
            "{good} ssl_verify_client on; ssl_client_certificate {};",
            clients.display()
        );
        let old = format!("{good} ssl_protocols TLSv1.2;");
        let cipher = format!("{old} ssl_ciphers AES128-SHA:AES256-SHA;");
        let nginx = Nginx::start_with("tls", dir, |ip| {
            let server = |port: u16, listen: &str, settings: &str| {
                format!(
                    "server {{
                       listen {ip}:{port} {listen};
                       {settings}
                       default_type text/plain;
                       add_header x-name $ssl_server_name; add_header x-protocol $ssl_protocol;
                       add_header x-client \"$ssl_client_verify $ssl_client_s_dn\";
                       add_header x-http $server_protocol;
                       location / {{ return 200 \"tls\\n\"; }}
                     }}"
                )
            };
            [
                // Some versions of nginx leave out the newest protocol unless told.
                "ssl_protocols TLSv1.2 TLSv1.3;".to_owned(),
                server(GOOD, "ssl", &good),
                server(OTHER, "ssl", &other),
                server(EXPIRED, "ssl", &expired),
                server(MUTUAL, "ssl", &mutual),
                server(OLD, "ssl", &old),
                server(CIPHER, "ssl", &cipher),
                server(HTTP2, "ssl http2", &good),
            ]
            .concat()
        })
        .await;
        let file = dir.join("agent.yaml");
        std::fs::write(&file, "proxy: {reason_header: true}\n").unwrap();
        let log = dir.join("access.log");
        let options = [
            "--config",
            file.to_str().unwrap(),
            "--access-log",
            log.to_str().unwrap(),
        ];
        let agent = Agent::start_with("agent", &cluster.grpc_list(), dir, &options);
        agent.ready().await;
        let bench = Self {
            cluster,
            agent,
            nginx,
        };
        bench.ssl("ca", &json!({"cert": authority("trusted"), "key": pair("ca.test", "trusted", false).key})).await;
        bench
            .ssl(
                "ca-other",
                &json!({"cert": authority("other"), "key": pair("ca.test", "other", false).key}),
            )
            .await;
        bench
    }

    async fn put(&self, path: &str, body: &Value) {
        let answer = self.cluster.nodes[0].put(path, body).await;
        self.agent.applied(revision(&answer)).await;
    }

    /// An ssl object for nodes.
    async fn ssl(&self, id: &str, pair: &Value) {
        let mut spec = pair.clone();
        spec["type"] = json!("client");
        self.put(&format!("ssls/{id}"), &spec).await;
    }

    /// Leads the only route to a server of nginx.
    async fn lead(&self, port: u16, tls: Value, more: Value) {
        let mut upstream = json!({
            "scheme": "https", "pass_host": "rewrite", "upstream_host": "node.test",
            "nodes": {format!("{}:{port}", self.nginx.ip): 1}, "tls": tls,
        });
        let fields = upstream.as_object_mut().unwrap();
        fields.extend(more.as_object().unwrap().clone());
        let route = json!({"uri": "/*", "upstream": upstream});
        self.put("routes/r", &route).await;
    }

    async fn get(&self) -> Answer {
        self.agent.get("/").await.unwrap()
    }

    async fn works(&self, port: u16, tls: Value, more: Value) -> Answer {
        let what = format!("{port} {tls} {more}");
        self.lead(port, tls, more).await;
        let answer = self.get().await;
        assert_eq!(answer.text(), "tls\n", "{what}: {answer:?}");
        answer
    }

    /// The answer is 502 with this reason, in the answer and in the access log.
    async fn fails(&self, port: u16, tls: Value, more: Value, reason: &str) {
        let what = format!("{port} {tls} {more}");
        self.lead(port, tls, more).await;
        let answer = self.get().await;
        assert_eq!(answer.status, 502, "{what}: {answer:?}");
        assert_eq!(answer.header("x-weir-reason"), reason, "{what}");
        let log = self.cluster.dir().join("access.log");
        until("the access log has it", PATIENCE, || async {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            let last = text.lines().last().unwrap_or_default();
            let line: Value = serde_json::from_str(last).unwrap_or_default();
            if line["reason"] == reason && line["tries"][0]["reason"] == reason {
                Ok(())
            } else {
                Err(last.to_owned())
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_is_verified_when_asked_for_and_each_fault_has_its_reason() {
    let bench = Bench::start().await;
    let none = || json!({});
    let by = |id: &str| json!({"verify_upstream_cert": true, "upstream_validation_id": id});

    // Nothing is verified unless asked for, and the name of the handshake is the Host.
    let answer = bench.works(OTHER, none(), none()).await;
    assert_eq!(answer.header("x-name"), "node.test");
    assert_eq!(answer.header("x-protocol"), "TLSv1.3");
    bench.works(EXPIRED, none(), none()).await;

    bench.works(GOOD, by("ca"), none()).await;
    bench.works(OTHER, by("ca-other"), none()).await;
    let inline = json!({"verify": true, "ca_certs": authority("trusted")});
    bench.works(GOOD, inline, none()).await;
    bench.fails(OTHER, by("ca"), none(), "tls_unknown_ca").await;
    bench
        .fails(GOOD, by("ca-other"), none(), "tls_unknown_ca")
        .await;
    let system = json!({"verify_upstream_cert": true});
    bench.fails(GOOD, system, none(), "tls_unknown_ca").await;
    bench.fails(EXPIRED, by("ca"), none(), "tls_expired").await;
    let elsewhere = json!({"upstream_host": "elsewhere.test"});
    bench
        .fails(GOOD, by("ca"), elsewhere, "tls_name_mismatch")
        .await;
    let address = json!({"pass_host": "node"});
    bench
        .fails(GOOD, by("ca"), address, "tls_name_mismatch")
        .await;

    // What the port speaks is not what the upstream says.
    bench.fails(8080, none(), none(), "tls_handshake").await;
    bench.fails(CIPHER, none(), none(), "tls_handshake").await;
    let answer = bench.works(OLD, by("ca"), none()).await;
    assert_eq!(answer.header("x-protocol"), "TLSv1.2");
    let plain = json!({"scheme": "http"});
    bench.lead(GOOD, none(), plain).await;
    let answer = bench.get().await;
    assert_eq!(answer.status, 400, "nginx says so itself: {answer:?}");
    let two = json!({"http_version": "auto"});
    let answer = bench.works(HTTP2, by("ca"), two.clone()).await;
    assert_eq!(answer.header("x-http"), "HTTP/2.0");
    let answer = bench.works(GOOD, by("ca"), two).await;
    assert_eq!(answer.header("x-http"), "HTTP/1.1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_that_wants_a_certificate_is_shown_the_one_that_the_upstream_names() {
    let bench = Bench::start().await;
    let (ours, foreign) = (
        pair("gateway.test", "trusted", false),
        pair("gateway.test", "other", false),
    );
    bench
        .ssl("client", &json!({"cert": ours.cert, "key": ours.key}))
        .await;
    let foreign = json!({"client_cert": foreign.cert, "client_key": foreign.key});
    let stranger = pair("stranger.test", "other", false);
    bench
        .ssl("key", &json!({"cert": stranger.cert, "key": ours.key}))
        .await;

    let inline = json!({"client_cert": ours.cert, "client_key": ours.key});
    let one = json!({"client_cert_id": "client"});
    let two = json!({
        "client_cert_id": "client", "client_key_id": "key",
        "verify_upstream_cert": true, "upstream_validation_id": "ca",
    });
    for tls in [inline, one.clone(), two] {
        let answer = bench.works(MUTUAL, tls, json!({})).await;
        assert_eq!(answer.header("x-client"), "SUCCESS CN=gateway.test");
    }
    // nginx ends the handshake all the same, and refuses the request.
    for tls in [json!({}), foreign] {
        bench.lead(MUTUAL, tls, json!({})).await;
        let answer = bench.get().await;
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.text().contains("SSL certificate"), "{answer:?}");
    }
    // A certificate that is renewed is shown from then on, without a change of the upstream.
    bench.works(MUTUAL, one, json!({})).await;
    let renewed = pair("renewed.test", "trusted", false);
    bench
        .ssl("client", &json!({"cert": renewed.cert, "key": renewed.key}))
        .await;
    let answer = bench.get().await;
    assert_eq!(answer.header("x-client"), "SUCCESS CN=renewed.test");
}
