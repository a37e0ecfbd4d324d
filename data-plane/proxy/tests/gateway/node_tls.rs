//! TLS towards nodes: what is verified, what is shown, and what each failure is called.

use std::sync::Arc;

use serde_json::{Value, json};
use weir_proxy::gateway::Gateway;
use weir_proxy::runtime::compile;
use weir_proxy::telemetry::access_log::AccessLog;

use super::authority::{Authority, server};
use super::client::{Client, ask, get};
use super::origin::Origin;
use super::setup::{config, env, eventually, http, nodes, proxy_to, runtime, set, start, with};

/// An upstream of this node over TLS, asked for as `name`.
fn secure(origin: &Origin, name: &str, tls: Value) -> Value {
    let base = nodes(&[origin.address]);
    let host = json!({"scheme": "https", "pass_host": "rewrite", "upstream_host": name});
    with(with(base, host), json!({ "tls": tls }))
}

#[test]
fn nodes_are_not_verified_unless_asked_for() {
    let stranger = Authority::new();
    let origin = Origin::text_tls(server(&stranger.issue("other.test"), None), "secret");
    let gateway = proxy_to(secure(&origin, "node.test", json!({})));
    let answer = ask(http(&gateway), get("/"));
    assert_eq!((answer.status, answer.text()), (200, "secret"));
}

#[test]
fn node_is_verified_against_the_ca_that_is_named() {
    let authority = Authority::new();
    let issued = authority.issue("node.test");
    let origin = Origin::text_tls(server(&issued, None), "trusted");
    let holder = authority.issue("holder");
    let ssl = json!({"type": "client", "cert": authority.pem(), "key": holder.key});
    for tls in [
        json!({"verify": true, "ca_certs": authority.pem()}),
        json!({"verify_upstream_cert": true, "upstream_validation_id": "ca"}),
        json!({"upstream_validation_id": "ca"}),
    ] {
        let upstream = secure(&origin, "Node.Test:8443", tls.clone());
        let route = json!({"uri": "/*", "upstream": upstream});
        let objects = runtime(&[("ssls/ca", ssl.clone()), ("routes/1", route)]);
        let gateway = start(config(), Some(objects));
        let answer = ask(http(&gateway), get("/"));
        assert_eq!((answer.status, answer.text()), (200, "trusted"), "{tls}");
    }
}

#[test]
fn a_self_signed_certificate_may_be_its_own_ca() {
    let authority = Authority::new();
    let issued = rcgen::generate_simple_self_signed(vec!["node.test".to_owned()]).unwrap();
    let plain = super::authority::Issued {
        cert: issued.cert.pem(),
        key: issued.signing_key.serialize_pem(),
    };
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["node.test".to_owned()]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let as_openssl_makes_it = super::authority::Issued {
        cert: params.self_signed(&key).unwrap().pem(),
        key: key.serialize_pem(),
    };
    for issued in [plain, as_openssl_makes_it] {
        let origin = Origin::text_tls(server(&issued, None), "own");
        let tls = json!({"verify": true, "ca_certs": [authority.pem(), issued.cert]});
        let gateway = proxy_to(secure(&origin, "node.test", tls.clone()));
        assert_eq!(ask(http(&gateway), get("/")).status, 200);
        let gateway = proxy_to(secure(&origin, "other.test", tls));
        assert_eq!(ask(http(&gateway), get("/")).status, 502);
    }
}

#[test]
fn each_failure_has_its_reason() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let good = authority.issue("node.test");
    let expired = authority.issue_with("node.test", |params| {
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(2002, 1, 1);
    });
    let trusting = json!({"verify": true, "ca_certs": authority.pem()});
    let distrusting = json!({"verify": true, "ca_certs": stranger.pem()});
    let shown = stranger.issue("client");
    let wrong = json!({"client_cert": shown.cert, "client_key": shown.key});
    let tls_node = |issued, clients| Origin::text_tls(server(issued, clients), "never");
    let clear = Origin::text("clear");
    for (origin, name, tls, reason) in [
        (
            tls_node(&good, None),
            "node.test",
            distrusting,
            "tls_unknown_ca",
        ),
        (
            tls_node(&good, None),
            "other.test",
            trusting.clone(),
            "tls_name_mismatch",
        ),
        (
            tls_node(&expired, None),
            "node.test",
            trusting.clone(),
            "tls_expired",
        ),
        (
            tls_node(&good, Some(&authority)),
            "node.test",
            json!({}),
            "tls_client_certificate",
        ),
        (
            tls_node(&good, Some(&authority)),
            "node.test",
            wrong,
            "tls_client_certificate",
        ),
        (clear, "node.test", trusting, "tls_handshake"),
    ] {
        let (gateway, log) = logged(secure(&origin, name, tls));
        let answer = ask(http(&gateway), get("/"));
        assert_eq!(answer.status, 502, "{reason}");
        assert_eq!(answer.header("x-apisix-upstream-status"), Some("502"));
        let line = log();
        assert_eq!(line["reason"], reason);
        assert_eq!(line["status"], 502);
        assert!(origin.seen().is_empty(), "{reason}: a request got through");
    }
}

/// A gateway, and what reads the only line of its access log.
fn logged(upstream: Value) -> (Gateway, impl Fn() -> Value) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let mut config = config();
    config.access_log = AccessLog::File(path.clone());
    let gateway = start(config, Some(super::setup::everything_to(upstream)));
    let read = move || {
        let text = || std::fs::read_to_string(&path).unwrap();
        let _lives = &folder;
        eventually("the line is written", || text().ends_with('\n'));
        serde_json::from_str(&text()).unwrap()
    };
    (gateway, read)
}

#[test]
fn client_certificate_is_shown_and_the_next_request_uses_the_connection() {
    let authority = Authority::new();
    let origin = Origin::text_tls(
        server(&authority.issue("node.test"), Some(&authority)),
        "in",
    );
    let shown = authority.issue("client");
    let inline = json!({"client_cert": shown.cert, "client_key": shown.key});
    let route = |tls: Value| json!({"uri": "/*", "upstream": secure(&origin, "node.test", tls)});
    let pair = json!({"type": "client", "cert": shown.cert, "key": shown.key});
    let other_key = authority.issue("other").key;
    let cert_only = json!({"type": "client", "cert": shown.cert, "key": other_key});
    for (objects, tls) in [
        (vec![], inline),
        (
            vec![("ssls/pair", pair.clone())],
            json!({"client_cert_id": "pair"}),
        ),
        (
            vec![("ssls/cert", cert_only), ("ssls/pair", pair)],
            json!({"client_cert_id": "cert", "client_key_id": "pair"}),
        ),
    ] {
        let before = origin.connections();
        let objects: Vec<_> = objects
            .into_iter()
            .chain([("routes/1", route(tls))])
            .collect();
        let gateway = start(config(), Some(runtime(&objects)));
        let mut client = Client::connect(http(&gateway));
        for _ in 0..3 {
            assert_eq!(client.ask(get("/")).text(), "in");
        }
        assert_eq!(origin.connections(), before + 1);
    }
}

#[test]
fn connections_are_not_shared_between_names() {
    let authority = Authority::new();
    let origin = Origin::text_tls(server(&authority.issue("a.test"), None), "in");
    let base = nodes(&[origin.address]);
    let gateway = proxy_to(with(base, json!({"scheme": "https"})));
    let mut client = Client::connect(http(&gateway));
    for (host, connections) in [
        ("a.test", 1),
        ("b.test", 2),
        ("a.test", 2),
        ("A.test:80", 2),
    ] {
        client.ask(format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n"));
        assert_eq!(origin.connections(), connections, "{host}");
    }
}

#[test]
fn large_bodies_go_both_ways() {
    let authority = Authority::new();
    let echo = Origin::raw_tls(server(&authority.issue("node.test"), None), |peer| {
        while let Some(request) = peer.read() {
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
                request.body.len()
            );
            if !(peer.write(head) && peer.write(&request.body)) {
                return;
            }
        }
    });
    let gateway = proxy_to(secure(&echo, "node.test", json!({})));
    let body: Vec<u8> = (0..3_000_000_u32).map(|at| (at % 251) as u8).collect();
    let mut client = Client::connect(http(&gateway));
    for _ in 0..2 {
        let head = format!(
            "POST / HTTP/1.1\r\nhost: t\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let mut writer = client.reader.get_ref().try_clone().unwrap();
        let sent = body.clone();
        let sending = std::thread::spawn(move || {
            use std::io::Write;
            writer.write_all(head.as_bytes()).unwrap();
            writer.write_all(&sent).unwrap();
        });
        let answer = client.answer(false);
        sending.join().unwrap();
        assert!(answer.body == body);
    }
    assert_eq!(echo.connections(), 1);
}

#[test]
fn body_that_ends_with_the_socket_is_whole_only_where_nobody_is_verified() {
    let authority = Authority::new();
    let origin = Origin::raw_tls(server(&authority.issue("node.test"), None), |peer| {
        // The socket is closed without an end of TLS.
        if peer.read().is_some() {
            peer.write("HTTP/1.1 200 OK\r\n\r\nall of it");
        }
    });
    let lenient = proxy_to(secure(&origin, "node.test", json!({})));
    let mut client = Client::connect(http(&lenient));
    let answer = client.ask(get("/"));
    assert_eq!(answer.text(), "all of it");
    let tls = json!({"verify": true, "ca_certs": authority.pem()});
    let strict = proxy_to(secure(&origin, "node.test", tls));
    let mut client = Client::connect(http(&strict));
    client.send(get("/"));
    let mut rest = Vec::new();
    let _ = std::io::Read::read_to_end(&mut client.reader, &mut rest);
    let text = String::from_utf8_lossy(&rest);
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    assert!(!text.ends_with("0\r\n\r\n"), "{text}");
}

#[test]
fn node_over_tls_is_followed_by_the_next_after_a_failed_handshake() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let bad = Origin::text_tls(server(&stranger.issue("node.test"), None), "bad");
    let good = Origin::text_tls(server(&authority.issue("node.test"), None), "good");
    let tls = json!({"verify": true, "ca_certs": authority.pem()});
    let mut upstream = secure(&bad, "node.test", tls);
    upstream["nodes"] = nodes(&[bad.address, good.address])["nodes"].clone();
    let gateway = proxy_to(upstream);
    let answer = ask(
        http(&gateway),
        "POST / HTTP/1.1\r\nhost: t\r\ncontent-length: 1\r\n\r\nx",
    );
    assert_eq!(answer.text(), "good");
}

#[test]
fn a_renewed_certificate_is_shown_from_the_next_connection_on() {
    let (old, new) = (Authority::new(), Authority::new());
    let origin = Origin::text_tls(server(&new.issue("node.test"), Some(&new)), "in");
    let tls = json!({"client_cert_id": "c"});
    let ssl = |authority: &Authority| {
        let issued = authority.issue("client");
        json!({"type": "client", "cert": issued.cert, "key": issued.key})
    };
    let service = json!({"upstream": secure(&origin, "node.test", tls)});
    let route = json!({"uri": "/*", "service_id": "s"});
    let before = set(&[
        ("ssls/c", ssl(&old)),
        ("services/s", service),
        ("routes/1", route),
    ]);
    // Only the ssl object is new.
    let mut after = before.clone();
    let renewed = set(&[("ssls/c", ssl(&new))]);
    after.revision = renewed.revision;
    after.resources.extend(renewed.resources);
    let env = env();
    let (first, _) = compile(&before, None, &env);
    let first = Arc::new(first);
    let (second, report) = compile(&after, Some(&first), &env);
    assert_eq!(report.rebuilt, 1);
    let gateway = start(config(), Some(first));
    let mut client = Client::connect(http(&gateway));
    assert_eq!(client.ask(get("/")).status, 502);
    gateway.publish(Arc::new(second));
    assert_eq!(client.ask(get("/")).text(), "in");
}
