//! Sessions of `openid-connect` in a real Redis. The provider is mocked by the gateway itself.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use serde_json::{Value, json};
use weir_tests::redis::Redis;
use weir_tests::{Answer, Bench};

/// Puts a route whose answer is always this.
async fn says(bench: &Bench, path: &str, answer: &Value) {
    let mocking = json!({"response_example": answer.to_string(), "content_type": "application/json", "with_mock_header": false});
    bench.route(path, json!({"mocking": mocking})).await;
}

/// The provider: its tokens are not signed, and come straight from it.
async fn provider(bench: &Bench) {
    let metadata = json!({"issuer": "http://op.test", "authorization_endpoint": "http://op.test/auth",
        "token_endpoint": bench.agent.url("/token")});
    says(bench, "discovery", &metadata).await;
    let encode = |part: Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let claims = json!({"iss": "http://op.test", "aud": "gw", "sub": "jack", "iat": 1, "exp": 4_102_444_800_u64});
    let id = format!("{}.{}.", encode(json!({"alg": "none"})), encode(claims));
    let tokens = json!({"access_token": "at", "id_token": id, "expires_in": 600});
    says(bench, "token", &tokens).await;
}

/// Cookies that an answer sets, as a browser sends them.
fn cookies(answer: &Answer) -> String {
    let lines = answer.headers.get_all("set-cookie").iter();
    let lines = lines.map(|line| line.to_str().unwrap());
    let kept = lines.filter(|line| !line.contains("Max-Age=0"));
    let pairs: Vec<&str> = kept.filter_map(|line| line.split(';').next()).collect();
    pairs.join("; ")
}

/// Logs in: the cookie of the session.
async fn enter(bench: &Bench) -> String {
    let left = bench.get("/app/a", &[]).await;
    assert_eq!(left.status, 302, "{}", left.text());
    let location = left.header("location").to_owned();
    let state = location.split("&state=").nth(1).unwrap();
    let state = state.split('&').next().unwrap();
    let back = format!("/app/back?code=c&state={state}");
    let entered = bench.get(&back, &[("cookie", &cookies(&left))]).await;
    assert_eq!(entered.status, 302, "{}", entered.text());
    assert_eq!(entered.header("location"), "/app/a");
    cookies(&entered)
}

/// What a script says in database 1.
async fn in_redis(redis: &Redis, script: &str) -> String {
    let script = format!("EVAL \"redis.call('select', 1) {script}\" 0");
    redis.ask(&script).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_in_redis_ends_for_whoever_holds_its_cookie() {
    let bench = Bench::start().await;
    let mut redis = Redis::start("sessions", bench.cluster.dir()).await;
    provider(&bench).await;
    let session = json!({"secret": "0123456789abcdef", "storage": "redis", "idling_timeout": 300,
        "redis": {"host": redis.ip.to_string(), "port": redis.port, "database": 1, "prefix": "shop"}});
    let plugin = json!({"client_id": "gw", "client_secret": "s", "discovery": bench.agent.url("/discovery"),
        "redirect_uri": "/app/back", "logout_path": "/app/logout", "session": session,
        "accept_none_alg": true, "set_userinfo_header": false});
    bench.route("app", json!({"openid-connect": plugin})).await;

    let cookie = enter(&bench).await;
    assert!(cookie.len() < 250, "it holds no tokens: {cookie}");
    let seen = bench.get("/app/a", &[("cookie", &cookie)]).await;
    assert_eq!(seen.json()["headers"]["x-access-token"], "at");
    assert!(seen.json()["headers"]["cookie"].is_null());

    let keys = in_redis(&redis, "return redis.call('keys', '*')").await;
    assert!(keys.contains("shop:"), "{keys}");
    let life = in_redis(
        &redis,
        "return redis.call('ttl', redis.call('keys', '*')[1])",
    )
    .await;
    let life: u64 = life.trim().trim_start_matches(':').parse().unwrap();
    assert!((1..=300).contains(&life), "{life}");

    let out = bench.get("/app/logout", &[("cookie", &cookie)]).await;
    assert_eq!(out.status, 200);
    let stolen = bench.get("/app/a", &[("cookie", &cookie)]).await;
    assert_eq!(stolen.status, 302, "it is over, though the cookie is kept");

    let cookie = enter(&bench).await;
    redis.kill();
    let gone = bench.get("/app/a", &[("cookie", &cookie)]).await;
    assert_eq!(gone.status, 503);
    let nobody = bench.send(Method::GET, "/app/a", &[], "").await;
    assert_eq!(nobody.status, 302, "who brings no session needs no Redis");
    redis.restart().await;
    let lost = bench.get("/app/a", &[("cookie", &cookie)]).await;
    assert_eq!(lost.status, 302);
}
