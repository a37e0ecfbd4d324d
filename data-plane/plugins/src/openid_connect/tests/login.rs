//! Users who log in.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use weir_plugin_api::Plugin;
use weir_plugin_api::testkit::{request, response as head};

use super::super::OpenidConnect;
use super::bed::{Bed, Key, NOW, argument, claims, cookies, decoded, field};
use crate::tests::{plugin, sent};

#[test]
fn a_user_is_sent_to_the_provider_and_comes_back() {
    let bed = Bed::new(
        json!({"use_nonce": true, "use_pkce": true, "scope": "openid email",
        "set_raw_id_token_header": true, "set_refresh_token_header": true, "authorization_params": {"hint": "a b"}}),
    );
    let (location, login) = bed.leave("/a?x=1");
    assert!(location.starts_with("http://op.test/auth?v=1&response_type=code&client_id=gw&redirect_uri=http%3A%2F%2Fgw.test%2Fcallback&scope=openid%20email&state="), "{location}");
    assert_eq!(argument(&location, "code_challenge_method"), "S256");
    assert_eq!(argument(&location, "hint"), "a%20b");
    bed.service.asked();
    let nonce = argument(&location, "nonce");
    let response = bed.come_back(&location, &login, json!({"nonce": nonce}));
    assert_eq!(field(&response, "location"), ["/a?x=1"]);
    let asked = bed.calls("/token").remove(0);
    assert_eq!(
        asked.headers["authorization"],
        format!("Basic {}", STANDARD.encode("gw:s%26s"))
    );
    let form = String::from_utf8(asked.body.to_vec()).unwrap();
    assert!(form.starts_with("grant_type=authorization_code&code=c0de&redirect_uri=http%3A%2F%2Fgw.test%2Fcallback&code_verifier="), "{form}");
    let lines = field(&response, "set-cookie");
    assert!(
        lines[0].starts_with("session=1.")
            && lines[0].ends_with("; Path=/; HttpOnly; SameSite=Lax"),
        "{lines:?}"
    );
    assert!(
        lines[1].starts_with("session_login_") && lines[1].contains("Max-Age=0"),
        "{lines:?}"
    );
    let session = cookies(&response).join("; ");
    let forged = request("/b")
        .header("cookie", &format!("own=1; {session}"))
        .header("x-userinfo", "forged")
        .header("x-id-token", "forged");
    let (response, context) = bed.send(forged);
    assert!(response.is_none());
    assert_eq!(sent(&context, "x-access-token"), ["at"]);
    assert_eq!(sent(&context, "x-refresh-token"), ["rt"]);
    assert_eq!(decoded(&context, "x-id-token")["sub"], "jack");
    assert_eq!(
        decoded(&context, "x-userinfo"),
        json!({"sub": "jack", "groups": ["dev"]})
    );
    assert!(sent(&context, "x-raw-id-token")[0].starts_with("ey"));
    assert_eq!(sent(&context, "cookie"), ["own=1"]);
    assert_eq!(context.external_user.unwrap()["groups"], json!(["dev"]));
}

#[test]
fn answers_that_do_not_belong_to_a_login_are_refused() {
    let bed = Bed::new(json!({"use_nonce": true}));
    let (location, login) = bed.leave("/a");
    let nonce = argument(&location, "nonce");
    let status = |changed: Value| {
        let mut all = json!({"nonce": nonce});
        all.as_object_mut()
            .unwrap()
            .extend(changed.as_object().unwrap().clone());
        bed.come_back(&location, &login, all).status.as_u16()
    };
    for wrong in [
        json!({"nonce": "other"}),
        json!({"aud": "other"}),
        json!({"iss": "http://evil.test"}),
        json!({"exp": NOW - 121}),
        json!({"iat": NOW + 121}),
        json!({"azp": "other"}),
        json!({"sub": ""}),
        json!({"aud": ["a", "gw"], "azp": "a"}),
    ] {
        assert_eq!(status(wrong.clone()), 500, "{wrong}");
    }
    assert_eq!(status(json!({"aud": ["a", "gw"]})), 302);
    let back = |query: &str, cookie: &str| {
        bed.status(request(&format!("/callback?{query}")).header("cookie", cookie))
    };
    let state = argument(&location, "state");
    let cookie = login.join("; ");
    assert_eq!(back(&format!("code=c&state={state}"), "a=b"), 500);
    assert_eq!(
        back(&format!("code=c&state={}x", &state[..16]), &cookie),
        500
    );
    assert_eq!(back("code=c", &cookie), 500);
    assert_eq!(
        back(&format!("error=access_denied&state={state}"), &cookie),
        500
    );
    assert_eq!(
        back(
            &format!("code=c&iss=http://evil.test&state={state}"),
            &cookie
        ),
        500
    );
    bed.set(|says| says.tokens = Value::Null);
    assert_eq!(back(&format!("code=c&state={state}"), &cookie), 500);
    bed.host.advance(Duration::from_secs(600));
    assert_eq!(status(json!({"iat": NOW + 600, "exp": NOW + 900})), 500);
    // Another key of the same name.
    let other = Bed {
        key: Key::new("k1"),
        ..Bed::new(json!({}))
    };
    let (location, login) = other.leave("/a");
    assert_eq!(other.come_back(&location, &login, json!({})).status, 500);
}

#[test]
fn a_session_renews_its_tokens_once_for_all() {
    let bed = Bed::new(json!({}));
    let session = bed.enter();
    bed.service.asked();
    bed.host.advance(Duration::from_secs(100));
    bed.set(|says| {
        says.tokens = json!({"access_token": "at2", "refresh_token": "rt2", "expires_in": "100"})
    });
    let mut renewed = String::new();
    for _ in 0..2 {
        let (response, mut context) = bed.send(request("/a").header("cookie", &session));
        assert!(response.is_none());
        assert_eq!(sent(&context, "x-access-token"), ["at2"]);
        context.response = Some(head(200, &[]));
        bed.plugin.header_filter(&mut context);
        let headers = context.response.unwrap().headers;
        renewed = headers["set-cookie"]
            .to_str()
            .unwrap()
            .split(';')
            .next()
            .unwrap()
            .to_owned();
    }
    let asked = bed.calls("/token");
    assert_eq!(asked.len(), 1);
    assert_eq!(
        &asked[0].body[..],
        b"grant_type=refresh_token&refresh_token=rt&scope=openid"
    );
    // What comes back as the tokens of another user ends the login.
    bed.host.advance(Duration::from_secs(100));
    let foreign = bed.key.sign(&claims(json!({"sub": "jill"})));
    bed.set(|says| says.tokens = json!({"access_token": "at3", "id_token": foreign}));
    assert_eq!(bed.status(request("/a").header("cookie", &renewed)), 302);
    let deny = Bed::new(json!({"unauth_action": "deny"}));
    assert_eq!(deny.status(request("/a")), 401);
    let pass = Bed::new(json!({"unauth_action": "pass"}));
    let (response, context) = pass.send(request("/a").header("x-userinfo", "forged"));
    assert!(response.is_none() && sent(&context, "x-userinfo").is_empty());
}

#[test]
fn sessions_end_with_time_and_with_logout() {
    let bed = Bed::new(
        json!({"revoke_tokens_on_logout": true, "post_logout_redirect_uri": "http://gw.test/bye", "renew_access_token_on_expiry": false}),
    );
    let session = bed.enter();
    bed.service.asked();
    let (response, _) = bed.send(request("/logout").header("cookie", &session));
    let response = response.unwrap();
    let location = &field(&response, "location")[0];
    assert!(
        location.starts_with("http://op.test/end?client_id=gw&id_token_hint=ey"),
        "{location}"
    );
    assert!(
        location.ends_with("&post_logout_redirect_uri=http%3A%2F%2Fgw.test%2Fbye"),
        "{location}"
    );
    assert!(field(&response, "set-cookie")[0].starts_with("session=; Path=/; Max-Age=0"));
    let revoked: Vec<_> = bed
        .calls("/revoke")
        .iter()
        .map(|call| call.body.clone())
        .collect();
    assert_eq!(revoked, ["token=rt", "token=at"]);
    assert_eq!(bed.status(request("/a").header("cookie", &session)), 200);
    bed.host.advance(Duration::from_secs(100));
    assert_eq!(bed.status(request("/a").header("cookie", &session)), 302);
    let idle = Bed::new(
        json!({"access_token_expires_in": 9000, "session": {"secret": "0123456789abcdef", "idling_timeout": 50, "cookie_name": "sid", "cookie_secure": true, "cookie_same_site": "Strict"}}),
    );
    let (location, login) = idle.leave("/a");
    let response = idle.come_back(&location, &login, json!({}));
    assert!(field(&response, "set-cookie")[0].ends_with("; HttpOnly; Secure; SameSite=Strict"));
    let session = cookies(&response).join("; ");
    assert_eq!(idle.status(request("/a").header("cookie", &session)), 200);
    assert_eq!(
        idle.status(request("/a").header("cookie", &format!("{session}x"))),
        302
    );
    idle.host.advance(Duration::from_secs(50));
    assert_eq!(idle.status(request("/a").header("cookie", &session)), 302);
}

#[test]
fn large_sessions_take_several_cookies() {
    let bed = Bed::new(json!({}));
    let noise: String = (0..900_u64)
        .map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_string())
        .collect();
    bed.set(|says| says.user = json!({"sub": "jack", "noise": noise}));
    let session = bed.enter();
    assert!(session.contains("; session_2="), "{session}");
    let (response, context) = bed.send(request("/a").header("cookie", &session));
    assert!(response.is_none());
    assert_eq!(decoded(&context, "x-userinfo")["noise"], noise);
    let first = session.split("; ").next().unwrap();
    assert_eq!(bed.status(request("/a").header("cookie", first)), 302);
    bed.set(|says| says.user = json!({"sub": "jill"}));
    let (location, login) = bed.leave("/a");
    assert_eq!(bed.come_back(&location, &login, json!({})).status, 500);
}

#[test]
fn pushed_and_silent_requests_keep_what_the_user_wanted() {
    let bed = Bed::new(json!({"par": {"enabled": true}}));
    let (location, _) = bed.leave("/a");
    assert_eq!(
        location,
        "http://op.test/auth?v=1&client_id=gw&request_uri=urn%3Apar%3A1"
    );
    let bed = Bed::new(json!({"refresh_session_interval": 10}));
    let session = bed.enter();
    bed.host.advance(Duration::from_secs(10));
    let (response, _) = bed.send(request("/b").header("cookie", &session));
    let response = response.unwrap();
    let location = field(&response, "location").remove(0);
    assert_eq!(argument(&location, "prompt"), "none");
    let state = argument(&location, "state");
    let back = request(&format!("/callback?error=login_required&state={state}"));
    let (response, _) = bed.send(back.header("cookie", &cookies(&response).join("; ")));
    let response = response.unwrap();
    let location = field(&response, "location").remove(0);
    assert_eq!(argument(&location, "prompt"), "");
    let response = bed.come_back(&location, &cookies(&response), json!({}));
    assert_eq!(field(&response, "location"), ["/b"]);
}

#[test]
fn without_a_redirect_uri_users_come_back_beside_what_they_asked_for() {
    let config =
        json!({"client_id": "gw", "client_secret": "s", "discovery": "http://op.test/discovery"});
    let beside = Bed {
        plugin: plugin::<OpenidConnect>(config),
        ..Bed::new(json!({}))
    };
    let (location, login) = beside.leave("/a%20b/?x=1");
    assert_eq!(
        argument(&location, "redirect_uri"),
        "http%3A%2F%2Fexample.com%2Fa%2520b%2F.apisix%2Fredirect"
    );
    let id = beside.key.sign(&claims(json!({})));
    beside.set(|says| says.tokens = json!({"id_token": id}));
    let back = format!(
        "/a%20b/.apisix/redirect?code=c&state={}",
        argument(&location, "state")
    );
    let (response, _) = beside.send(request(&back).header("cookie", &login.join("; ")));
    assert_eq!(field(&response.unwrap(), "location"), ["/a%20b/?x=1"]);
}

#[test]
fn nobody_gets_in_while_sessions_cannot_be_kept() {
    let bed = Bed::new(
        json!({"session": {"secret": "0123456789abcdef", "storage": "redis", "redis": {}}}),
    );
    let (location, login) = bed.leave("/a");
    let response = bed.come_back(&location, &login, json!({}));
    assert_eq!(response.status, 500);
    assert!(cookies(&response).is_empty());
    let ticket = bed.plugin.seal.seal(&bed.plugin.purpose("name"), &"x");
    let cookie = format!("session=1.{}", ticket.unwrap());
    assert_eq!(bed.status(request("/a").header("cookie", &cookie)), 503);
    assert_eq!(
        bed.status(request("/logout").header("cookie", &cookie)),
        503
    );
    // A whole session in a cookie is none here.
    let other = Bed::new(json!({})).enter();
    assert_eq!(bed.status(request("/a").header("cookie", &other)), 302);
}
