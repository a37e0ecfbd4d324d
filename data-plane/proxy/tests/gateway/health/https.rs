//! https probes: what is verified, which name is asked for, and what is shown.

use std::sync::{Arc, Mutex};

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use serde_json::{Value, json};

use super::Bed;
use crate::authority::{Authority, Issued, server};
use crate::origin::{Origin, ok};
use crate::setup::{eventually, with};

/// An upstream of this node over TLS with an https check of these fields.
fn upstream(origin: &Origin, check: Value, more: Value) -> Value {
    let base = json!({"interval": 1, "type": "https", "http_path": "/up",
        "unhealthy": {"tcp_failures": 1}});
    let upstream = json!({
        "scheme": "https",
        "nodes": {origin.address.to_string(): 1},
        "checks": {"active": with(base, check)},
    });
    with(upstream, more)
}

/// What the first probe came to: success, or why the node is unhealthy.
fn verdict(upstream: Value) -> Result<(), String> {
    let bed = Bed::new(&[("upstreams/1", upstream)]);
    let mut reason = String::new();
    eventually("a probe is over", || {
        let counts = bed.gateway.checkers().hub.counts();
        let probes = counts.probes.iter().filter(|(_, count)| *count > 0);
        reason = bed
            .reasons("upstreams/1")
            .into_values()
            .next()
            .unwrap_or_default();
        match probes.map(|(result, _)| *result).next() {
            Some("success") => true,
            Some(_) => !reason.is_empty(),
            None => false,
        }
    });
    if reason.is_empty() {
        Ok(())
    } else {
        Err(reason)
    }
}

#[test]
fn certificates_are_verified_unless_the_check_says_no() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let tls_node = |issued: &Issued| Origin::text_tls(server(issued, None), "up");
    let good = tls_node(&authority.issue("node.test"));
    let of_address = tls_node(&authority.issue("127.0.0.1"));
    let expired = tls_node(&authority.issue_with("node.test", |params| {
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(2002, 1, 1);
    }));
    let clear = Origin::text("clear");
    let ours = json!({"tls": {"ca_certs": authority.pem()}});
    let theirs = json!({"tls": {"ca_certs": stranger.pem()}});
    let named = json!({"host": "node.test"});
    let blind = json!({"host": "node.test", "https_verify_certificate": false});
    for (origin, check, more, expected) in [
        (&good, named.clone(), ours.clone(), None),
        // That requests do not verify says nothing about probes.
        (
            &good,
            named.clone(),
            with(ours.clone(), json!({"scheme": "http"})),
            None,
        ),
        (&good, named.clone(), theirs.clone(), Some("BadSignature")),
        (&good, named.clone(), json!({}), Some("UnknownIssuer")),
        (&good, blind.clone(), theirs.clone(), None),
        (
            &good,
            blind.clone(),
            with(theirs, json!({"tls": {"verify": true}})),
            None,
        ),
        (
            &good,
            json!({"host": "other.test"}),
            ours.clone(),
            Some("not valid for name"),
        ),
        (&good, json!({}), ours.clone(), Some("not valid for name")),
        (&of_address, json!({}), ours.clone(), None),
        (&expired, named, ours.clone(), Some("expired")),
        (&expired, blind.clone(), ours.clone(), None),
        (&clear, blind, ours, Some("TLS handshake: ")),
    ] {
        let text = format!("{check} {more}");
        match (verdict(upstream(origin, check, more)), expected) {
            (Ok(()), None) => {}
            (Err(reason), Some(expected)) => {
                assert!(reason.contains(expected), "{text}: {reason}");
                let begin = "1 tcp failures in probes, last: TLS handshake: ";
                assert!(reason.starts_with(begin), "{text}: {reason}");
            }
            (other, expected) => panic!("{text}: expected {expected:?}, got {other:?}"),
        }
    }
}

#[test]
fn the_node_is_shown_the_certificate_that_requests_show() {
    let authority = Authority::new();
    let issued = authority.issue("node.test");
    let origin = Origin::text_tls(server(&issued, Some(&authority)), "up");
    let client = authority.issue("client");
    let named = json!({"host": "node.test"});
    let tls = |more| json!({"tls": with(json!({"ca_certs": authority.pem()}), more)});
    let shown = tls(json!({"client_cert": client.cert, "client_key": client.key}));
    assert_eq!(verdict(upstream(&origin, named.clone(), shown)), Ok(()));
    let reason = verdict(upstream(&origin, named, tls(json!({})))).unwrap_err();
    assert!(reason.contains("CertificateRequired"), "{reason}");
}

/// Shows one certificate and notes which name it was asked for.
#[derive(Debug)]
struct Noting {
    shown: Arc<CertifiedKey>,
    names: Arc<Mutex<Vec<Option<String>>>>,
}

impl ResolvesServerCert for Noting {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().map(str::to_owned);
        self.names.lock().unwrap().push(name);
        Some(Arc::clone(&self.shown))
    }
}

#[test]
fn the_name_asked_for_is_that_of_the_host() {
    let issued = Authority::new().issue("any.test");
    let names: Arc<Mutex<Vec<Option<String>>>> = Arc::default();
    let mut config = (*server(&issued, None)).clone();
    config.cert_resolver = Arc::new(Noting {
        shown: certified(&issued),
        names: Arc::clone(&names),
    });
    let hosts: Arc<Mutex<Vec<String>>> = Arc::default();
    let noted = Arc::clone(&hosts);
    let origin = Origin::raw_tls(Arc::new(config), move |peer| {
        let Some(seen) = peer.read_head() else { return };
        let fields = seen.headers.iter();
        let host = fields
            .clone()
            .find(|(name, _)| name.eq_ignore_ascii_case("host"));
        noted
            .lock()
            .unwrap()
            .extend(host.map(|(_, host)| host.clone()));
        peer.write(ok("up"));
    });
    let port = origin.address.port();
    let blind = |host: Value| with(json!({"https_verify_certificate": false}), host);
    let rewrite = json!({"pass_host": "rewrite", "upstream_host": "up.test:81"});
    for (check, more, host, name) in [
        (
            json!({"host": "check.test"}),
            json!({}),
            "check.test",
            Some("check.test"),
        ),
        (json!({}), json!({}), "127.0.0.1", None),
        (
            json!({"host": "check.test"}),
            rewrite,
            "up.test:81",
            Some("up.test"),
        ),
        (
            json!({"host": "check.test"}),
            json!({"nodes": {format!("localhost:{port}"): 1}}),
            "localhost",
            Some("localhost"),
        ),
    ] {
        names.lock().unwrap().clear();
        hosts.lock().unwrap().clear();
        let _bed = Bed::new(&[("upstreams/1", upstream(&origin, blind(check), more))]);
        eventually("a probe comes", || !hosts.lock().unwrap().is_empty());
        assert_eq!(names.lock().unwrap()[0].as_deref(), name, "{host}");
        assert_eq!(hosts.lock().unwrap()[0], host);
    }
}

fn certified(issued: &Issued) -> Arc<CertifiedKey> {
    use rustls_pki_types::pem::PemObject;
    use rustls_pki_types::{CertificateDer, PrivateKeyDer};

    let chain = CertificateDer::pem_slice_iter(issued.cert.as_bytes());
    let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let chain = chain.collect::<Result<_, _>>().unwrap();
    Arc::new(CertifiedKey::from_der(chain, key, &provider).unwrap())
}
