//! `ldap-auth` with a real LDAP server.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use weir_tests::slapd::Slapd;
use weir_tests::{Answer, Bench};

async fn ask(bench: &Bench, path: &str, pair: &str) -> Answer {
    let field = format!("Basic {}", STANDARD.encode(pair));
    bench.get(path, &[("authorization", &field)]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_of_the_directory_get_in_with_their_password() {
    let dir = tempfile::tempdir().unwrap();
    let mut slapd = Slapd::start(
        dir.path(),
        &[("jack", "s3cr:et"), ("jill", "other"), ("o\\2Bb", "plus")],
    )
    .await;
    let bench = Bench::start().await;
    let base = "ou=users,dc=example,dc=org";
    for (name, cn) in [("jack", "jack"), ("bob", "o\\+b")] {
        let consumer = json!({"username": name, "plugins": {"ldap-auth": {"user_dn": format!("cn={cn},{base}")}}});
        bench.put(&format!("consumers/{name}"), consumer).await;
    }
    let plain =
        json!({"ldap_uri": slapd.address.to_string(), "base_dn": base, "hide_credentials": true});
    bench.route("plain", json!({"ldap-auth": plain})).await;
    let secure = json!({"ldap_uri": slapd.secure.to_string(), "base_dn": base, "use_tls": true});
    bench.route("secure", json!({"ldap-auth": secure})).await;
    let verified = json!({"ldap_uri": slapd.secure.to_string(), "base_dn": base, "use_tls": true, "tls_verify": true});
    bench
        .route("verified", json!({"ldap-auth": verified}))
        .await;

    for path in ["/plain", "/secure"] {
        // Wrong and right ones take turns on kept connections.
        for _ in 0..3 {
            let answer = ask(&bench, path, "jack:s3cr:et").await;
            assert_eq!(answer.status, 200, "{path} {}", answer.text());
            assert_eq!(answer.json()["headers"]["x-consumer-username"], "jack");
            for pair in [
                "jack:wrong",
                "jack:",
                "nobody:s3cr:et",
                "jack,ou=users:s3cr:et",
                "*:s3cr:et",
                "jill:other",
            ] {
                let answer = ask(&bench, path, pair).await;
                assert_eq!(answer.status, 401, "{path} {pair}");
                assert_eq!(
                    answer.json(),
                    json!({"message": "Invalid user authorization"})
                );
            }
        }
    }
    let answer = ask(&bench, "/plain", "o+b:plus").await;
    assert_eq!(answer.json()["headers"]["x-consumer-username"], "bob");
    assert!(answer.json()["headers"]["authorization"].is_null());
    // Its certificate is of nobody whom the system trusts.
    assert_eq!(ask(&bench, "/verified", "jack:s3cr:et").await.status, 401);
    let answer = bench.get("/plain", &[]).await;
    assert_eq!(
        answer.json(),
        json!({"message": "Missing authorization in request"})
    );
    assert_eq!(answer.header("www-authenticate"), "Basic realm=\"ldap\"");
    slapd.process.kill();
    assert_eq!(ask(&bench, "/plain", "jack:s3cr:et").await.status, 401);
}
