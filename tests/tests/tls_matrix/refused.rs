//! What no agent could use is refused when it is written, with its place.

use serde_json::json;

use super::mint::{Authority, Kind};
use super::setup::Bench;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_that_cannot_work_are_refused_with_their_place() {
    let bench = Bench::start("").await;
    let dir = bench.cluster.dir();
    let servers = Authority::new(dir, "servers");
    let one = servers.mint(dir, "one", "a.test", Kind::Ecdsa);
    let two = servers.mint(dir, "two", "a.test", Kind::Rsa);
    let junk = "x".repeat(200);
    let whole = |more: serde_json::Value| {
        let mut object = json!({"sni": "a.test", "cert": one.cert, "key": one.key});
        let fields = object.as_object_mut().unwrap();
        fields.extend(more.as_object().unwrap().clone());
        object
    };
    for (object, said) in [
        (
            whole(json!({"key": two.key})),
            "invalid configuration: key: expected the key of the certificate in cert, got another one",
        ),
        (
            whole(json!({"certs": [two.cert], "keys": [one.key]})),
            "invalid configuration: keys[0]: expected the key of the certificate in certs[0], got another one",
        ),
        (
            whole(json!({"certs": [two.cert]})),
            "mismatched number of certs and keys",
        ),
        (whole(json!({"cert": junk})), "failed to parse cert"),
        (whole(json!({"key": junk})), "failed to parse key"),
        (
            whole(json!({"client": {"ca": junk}})),
            "failed to validate client_cert",
        ),
        (
            whole(json!({"client": {"ca": servers.pem, "skip_mtls_uri_regex": ["("]}})),
            "(",
        ),
        (
            whole(json!({"ssl_protocols": ["TLSv1.2", "TLSv1.1"]})),
            "invalid configuration: ssl_protocols[1]: expected TLSv1.2 or TLSv1.3, got TLSv1.1",
        ),
        (
            whole(json!({"sni": "*a.test"})),
            "invalid configuration: snis[0]: expected a name, * or *.NAME, got *a.test",
        ),
        (
            json!({"cert": one.cert, "key": one.key}),
            "then clause did not match",
        ),
    ] {
        let answer = bench.try_put("ssls/1", &object).await;
        let text = answer.text();
        assert_eq!(answer.status, 400, "{said}: {text}");
        assert!(text.contains(said), "expected {said}: {text}");
        assert!(!text.contains("PRIVATE KEY"), "{text}");
    }
    assert_eq!(bench.try_put("ssls/1", &whole(json!({}))).await.status, 201);
    // An object for nodes may hold only an authority, beside any key.
    let object = json!({"type": "client", "cert": servers.pem, "key": two.key});
    assert_eq!(bench.try_put("ssls/2", &object).await.status, 201);
}
