//! `ldap-auth` with a real LDAP server.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::time::Duration;

use serde_json::json;
use weir_tests::load::{Load, Target};
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_gets_in_while_the_directory_is_away_and_all_do_after() {
    let dir = tempfile::tempdir().unwrap();
    let mut slapd = Slapd::start(dir.path(), &[("jack", "s3cr:et")]).await;
    let bench = Bench::start().await;
    let base = "ou=users,dc=example,dc=org";
    let consumer = json!({"username": "jack", "plugins": {"ldap-auth": {"user_dn": format!("cn=jack,{base}")}}});
    bench.put("consumers/jack", consumer).await;
    let config = json!({"ldap_uri": slapd.address.to_string(), "base_dn": base});
    bench.route("away", json!({"ldap-auth": config})).await;

    let field = format!("Basic {}", STANDARD.encode("jack:s3cr:et"));
    let jack = Target::new(&bench.agent.url("/away")).header("authorization", &field);
    let steady = Load::on(&jack, 4, Duration::from_millis(10), |answer| {
        match answer.status.as_u16() {
            200 | 401 => Ok(()),
            _ => Err("neither let in nor kept out".to_owned()),
        }
    });
    let kept_out = |answer: &Answer| match answer.status == 401
        && answer.json() == json!({"message": "Invalid user authorization"})
    {
        true => Ok(()),
        false => Err("expected to be kept out".to_owned()),
    };
    let let_in = |answer: &Answer| match answer.status == 200 {
        true => Ok(()),
        false => Err("expected to be let in".to_owned()),
    };
    jack.settles(Duration::from_millis(200), let_in).await;
    slapd.process.kill();
    // A directory that is not there is not waited for.
    let at_once = jack.clone().within(Duration::from_secs(2));
    at_once.settles(Duration::from_secs(10), kept_out).await;
    slapd.restart().await;
    jack.settles(Duration::from_secs(2), let_in).await;
    steady.stop().await.assert_clean();
}
