use super::*;

#[test]
fn the_host_is_the_name() {
    for (host, node, expected) in [
        ("Api.Example.com:8443", "10.0.0.1", Some("api.example.com")),
        ("api.example.com.", "10.0.0.1", Some("api.example.com")),
        ("[::1]:443", "10.0.0.1", Some("::1")),
        ("10.0.0.2:443", "10.0.0.1", Some("10.0.0.2")),
        ("", "10.0.0.1", Some("10.0.0.1")),
        ("no name", "node.test", Some("node.test")),
        ("", "", None),
    ] {
        let name = server_name(host, node);
        let text = name.map(|name| name.to_str().into_owned());
        assert_eq!(text.as_deref(), expected, "{host}");
    }
}

fn pair(names: &[&str]) -> (String, String) {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

fn object(kind: &str, names: &[&str]) -> Ssl {
    let (cert, key) = pair(names);
    let spec = serde_json::json!({"type": kind, "sni": "a.test", "cert": cert, "key": key});
    Ssl::parse(&spec).unwrap()
}

fn settings(spec: serde_json::Value) -> UpstreamTls {
    let spec = serde_json::json!({"nodes": {"a:1": 1}, "tls": spec});
    let upstream = weir_model::upstream::Upstream::parse(&spec).unwrap();
    upstream.tls.unwrap()
}

#[test]
fn equal_settings_share_one_configuration() {
    let living = Living::default();
    let ssl = object("client", &["client"]);
    let find = |id: &str| (id == "c").then(|| ssl.clone());
    let tls = settings(serde_json::json!({"client_cert_id": "c"}));
    let compile = |tls: Option<&UpstreamTls>, alpn: &[&[u8]]| {
        NodeTls::compile(tls, alpn, &find, &living).unwrap()
    };
    let first = compile(Some(&tls), &[]);
    assert!(Arc::ptr_eq(&first, &compile(Some(&tls), &[])));
    assert!(first.config.client_auth_cert_resolver.has_certs());
    assert_ne!(first.fingerprint, compile(None, &[]).fingerprint);
    assert_ne!(first.fingerprint, compile(Some(&tls), &[b"h2"]).fingerprint);
}

#[test]
fn what_cannot_be_used_is_named() {
    let client = object("client", &["client"]);
    let other = object("client", &["other"]);
    let server = object("server", &["server"]);
    let find = |id: &str| match id {
        "client" => Some(client.clone()),
        "other" => Some(other.clone()),
        "server" => Some(server.clone()),
        _ => None,
    };
    for (spec, path, message) in [
        (
            serde_json::json!({"client_cert_id": "gone"}),
            "tls.client_cert_id",
            "ssl object gone does not exist",
        ),
        (
            serde_json::json!({"client_cert_id": "server"}),
            "tls.client_cert_id",
            "expected an ssl object of type client, but server is of type server",
        ),
        (
            serde_json::json!({"client_cert_id": "client", "client_key_id": "other"}),
            "tls.client_cert_id",
            "failed to handle cert-key pair: keys may not be consistent: KeyMismatch",
        ),
        (
            serde_json::json!({"upstream_validation_id": "gone"}),
            "tls.upstream_validation_id",
            "ssl object gone does not exist",
        ),
    ] {
        let tls = settings(spec);
        let problem = NodeTls::compile(Some(&tls), &[], &find, &Living::default()).unwrap_err();
        assert_eq!(
            (problem.path.as_str(), problem.message.as_str()),
            (path, message)
        );
    }
}
