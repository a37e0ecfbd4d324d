//! The commands of operators, and credentials that are references.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;
use weir_discovery::testkit::{Backend, Instance};
use weir_tests::cluster::PATIENCE;
use weir_tests::registries::{Bind, Consul, Eureka};
use weir_tests::{Cluster, Origin, cli, wait};

use super::{Setup, instance};

/// `weir discovery show shop -o json` at the one control node, once it `fits`.
pub(super) async fn shown(
    setup: &Setup,
    service: &str,
    what: &str,
    fits: impl Fn(&Value) -> bool,
) -> Value {
    let server = setup.cluster.grpc_list();
    wait::until(what, PATIENCE, || async {
        let output = cli::weir(&server, &["discovery", "show", service, "-o", "json"], "");
        match serde_json::from_slice::<Value>(&output.stdout) {
            Ok(all) if fits(&all[0]) => Ok(all[0].clone()),
            _ => Err(format!("{output:?}")),
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a real Eureka: make test-registries"]
async fn the_operator_takes_what_is_held_of_eureka() {
    let dir = tempfile::tempdir().unwrap();
    let eureka = Eureka::start(dir.path()).await;
    let origin = Origin::start("one").await;
    eureka.register("shop", &instance(&origin)).await;
    let setup = Setup::start(&eureka).await;
    setup.reaches(&["one"]).await;
    eureka.deregister("shop", &instance(&origin)).await;
    shown(&setup, "shop", "what is gone is held", |one| {
        !one["held"].is_null()
    })
    .await;
    setup.reaches(&["one"]).await;
    let server = setup.cluster.grpc_list();
    let taken = cli::weir_ok(&server, &["discovery", "accept", "shop", "-o", "json"], "");
    assert_eq!(
        taken.parse::<Value>().unwrap(),
        json!({"accepted": ["eureka/*/shop"]})
    );
    setup
        .agent
        .serves("/x", "no nodes", |answer| answer.status == 503)
        .await;
    let again = cli::weir(&server, &["discovery", "accept", "shop"], "");
    assert_eq!(again.status.code(), Some(3), "{again:?}");
}

/// Every control node follows by itself, and each of them tells of all and takes for all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a real Consul: make test-registries"]
async fn any_control_node_answers_for_all() {
    let dir = tempfile::tempdir().unwrap();
    let consul = Consul::start(dir.path()).await;
    let origin = Origin::start("one").await;
    consul.register("shop", &instance(&origin)).await;
    let setup = Setup::of(&consul, 3).await;
    setup.reaches(&["one"]).await;
    consul.deregister("shop", &instance(&origin)).await;
    let second = setup.cluster.nodes[1].grpc();
    wait::until("all three hold what is gone", PATIENCE, || async {
        let listed = cli::weir_ok(&second, &["discovery", "list", "-o", "json"], "");
        let listed: Value = listed.parse().unwrap();
        let all = listed.as_array().cloned().unwrap_or_default();
        let holding = all.iter().filter(|one| !one["held"].is_null());
        let nodes: Vec<u64> = holding.filter_map(|one| one["node_id"].as_u64()).collect();
        if nodes == [1, 2, 3] {
            Ok(())
        } else {
            Err(listed.to_string())
        }
    })
    .await;
    let third = setup.cluster.nodes[2].grpc();
    cli::weir_ok(&third, &["discovery", "accept", "shop"], "");
    setup
        .agent
        .serves("/x", "no nodes", |answer| answer.status == 503)
        .await;
    let again = cli::weir(&second, &["discovery", "accept", "shop"], "");
    assert_eq!(again.status.code(), Some(3), "nothing is held: {again:?}");
}

/// `weir discovery test` shows what would be used, and tells each thing that can be wrong, whether
/// it asks itself or a control node does.
async fn the_cli_tests(backend: &dyn Backend) {
    let cluster = Cluster::start(1).await;
    let server = cluster.grpc_list();
    let dir = cluster.dir().to_owned();
    let test = |registry: &Value, upstream: &Value, more: &[&str]| {
        let path = dir.join("registry.yaml");
        let mut document = registry.clone();
        document["kind"] = "registry".into();
        document["id"] = "main".into();
        std::fs::write(&path, document.to_string()).unwrap();
        let (path, service) = (path.display().to_string(), &upstream["service_name"]);
        let service = service.as_str().unwrap();
        let args = ["discovery", "test", "-f", &path, service, "-o", "name"];
        let output = cli::weir(&server, &[&args, more].concat(), "");
        let (out, err) = (output.stdout, output.stderr);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(out), text(err))
    };
    let good = backend.registry(backend.address());
    backend
        .register("asked", &Instance::new("127.0.0.1", 8001))
        .await;
    let refusals = backend.refusals().await;
    for more in [&[][..], &["--via-server"]] {
        let found = (Some(0), "127.0.0.1:8001\n".to_owned());
        wait::until("the registry names it", PATIENCE, || async {
            let (code, out, err) = test(&good, &backend.upstream("asked"), more);
            if (code, out.clone()) == found {
                Ok(())
            } else {
                Err(format!("{code:?} {out} {err}"))
            }
        })
        .await;
        let (code, _, err) = test(&good, &backend.upstream("unknown"), more);
        assert_eq!(code, Some(3), "{err}");
        assert!(err.contains("has no endpoints: "), "{err}");
        for refusal in &refusals {
            let (code, out, err) = test(&refusal.registry, &refusal.upstream, more);
            assert!(
                matches!(code, Some(1 | 5)),
                "{}: {code:?} {out} {err}",
                refusal.what
            );
            let told = format!("the registry cannot be used ({}): ", refusal.kind.as_str());
            assert!(err.contains(&told), "{}: {err}", refusal.what);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a real Consul: make test-registries"]
async fn the_cli_tests_consul() {
    let dir = tempfile::tempdir().unwrap();
    the_cli_tests(&Consul::start(dir.path()).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a real Eureka: make test-registries"]
async fn the_cli_tests_eureka() {
    let dir = tempfile::tempdir().unwrap();
    the_cli_tests(&Eureka::start(dir.path()).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a real DNS server: make test-registries"]
async fn the_cli_tests_dns() {
    let dir = tempfile::tempdir().unwrap();
    the_cli_tests(&Bind::start(dir.path()).await).await;
}

/// A stand-in for Vault that has one token, whatever it is asked.
async fn vault(token: watch::Receiver<String>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let body = json!({"data": {"token": *token.borrow()}}).to_string();
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    address
}

/// A token in Vault that the registry refuses is asked for again, and taken when it is another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a real Consul: make test-registries"]
async fn a_token_from_vault_is_followed() {
    let dir = tempfile::tempdir().unwrap();
    let consul = Consul::start(dir.path()).await;
    let origins = [Origin::start("one").await, Origin::start("two").await];
    consul.register("shop", &instance(&origins[0])).await;
    let setup = Setup::start(&consul).await;
    setup.reaches(&["one"]).await;
    let mut registry = consul.registry(consul.address());
    let good = registry["token"].as_str().unwrap().to_owned();
    let (sender, token) = watch::channel("11111111-2222-4333-8444-555555555555".to_owned());
    let uri = format!("http://{}", vault(token).await);
    let node = &setup.cluster.nodes[0];
    let manager = json!({"uri": uri, "prefix": "kv", "token": "any"});
    node.put("secrets/vault/1", &manager).await;
    registry["token"] = "$secret://vault/1/consul/token".into();
    node.put("registries/main", &registry).await;
    shown(&setup, "shop", "the token is refused", |one| {
        one["failure"]["kind"] == "refused"
    })
    .await;
    setup.reaches(&["one"]).await;
    consul.register("shop", &instance(&origins[1])).await;
    sender.send_replace(good);
    setup.reaches(&["one", "two"]).await;
}
