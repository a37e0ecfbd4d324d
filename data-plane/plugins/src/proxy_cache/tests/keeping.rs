//! Which answers are kept.

use super::*;

fn is_kept(bed: &Bed, node: Says) -> bool {
    bed.ask(get("/"), node);
    let second = bed.ask(get("/"), says("second"));
    bed.ask(get("/").method("PURGE"), says(""));
    second.cache() == "HIT"
}

#[test]
fn answers_are_kept_by_status_and_size() {
    let bed = Bed::new(json!({"max_resp_body_size": 5}));
    assert!(is_kept(&bed, says("12345")));
    bed.later(10);
    assert!(is_kept(&bed, says("x").status(404)));
    bed.later(10);
    for node in [
        says("123456"),
        says("x").with("content-length", "6"),
        says("x").status(500),
        says("x").status(302),
        says("x").with("set-cookie", "a=b"),
        says("x").with("vary", "*"),
        says("x").with("cache-control", "private"),
    ] {
        assert!(!is_kept(&bed, node));
        bed.later(10);
    }
    let cookies = Bed::new(json!({"cache_set_cookie": true}));
    assert!(is_kept(&cookies, says("x").with("set-cookie", "a=b")));
}

#[test]
fn partial_answers_are_never_kept() {
    let bed = Bed::new(json!({"cache_http_status": [200, 206]}));
    let broken = Says {
        breaks: true,
        ..says("half")
    };
    for node in [
        broken,
        says("half").with("content-length", "8"),
        says("whole").with("content-length", "3"),
        says("part").status(206),
        says("part").with("content-range", "bytes 0-3/8"),
    ] {
        assert!(!is_kept(&bed, node));
        bed.later(10);
    }
    assert!(is_kept(&bed, says("whole").with("content-length", "5")));
}

#[test]
fn answers_of_the_gateway_are_not_kept() {
    let bed = Bed::new(json!({"cache_http_status": [200, 502]}));
    let mut context = get("/").context(&bed.host);
    assert!(enter(&bed.plugin, &mut context).is_none());
    let own = Response::text(http::StatusCode::BAD_GATEWAY, "down");
    assert_eq!(bed.own(&mut context, own, None).cache(), "MISS");
    drop(context);
    assert_eq!(bed.ask(get("/"), says("up")).body, "up");
}

#[test]
fn fields_that_filters_add_are_not_kept() {
    let bed = Bed::new(json!({}));
    let mut context = get("/").context(&bed.host);
    assert!(enter(&bed.plugin, &mut context).is_none());
    let head = response(200, &[("x-node", "1")]);
    context.node_head = Some(head.clone());
    context.response = Some(head);
    // As cors, which runs before.
    let response = context.response.as_mut().unwrap();
    let origin = "https://evil.test".parse().unwrap();
    response
        .headers
        .insert("access-control-allow-origin", origin);
    bed.plugin.header_filter(&mut context);
    bed.plugin
        .body_filter(&mut context, &mut Bytes::new(), true);
    drop(context);
    let hit = bed.ask(get("/"), says(""));
    assert_eq!((hit.cache(), hit.header("x-node")), ("HIT", Some("1")));
    assert!(hit.header("access-control-allow-origin").is_none());
}

#[test]
fn answers_vary_by_what_they_name() {
    let bed = Bed::new(json!({}));
    let asks = |language| get("/").with("accept-language", language);
    let node = |body| says(body).with("vary", "Accept-Language, x-other");
    bed.ask(asks("de"), node("hallo"));
    assert_eq!(bed.ask(asks("en"), node("hello")).cache(), "MISS");
    assert_eq!(bed.ask(asks("de"), node("x")).body, "hallo");
    assert_eq!(bed.ask(asks("en"), node("x")).body, "hello");
    assert_eq!(
        bed.ask(asks("en").with("x-other", "1"), node("x")).cache(),
        "MISS"
    );
    // An encoded answer varies even if it does not say so.
    let bed = Bed::new(json!({}));
    let zipped = get("/").with("accept-encoding", "gzip");
    bed.ask(zipped, says("zipped").with("content-encoding", "gzip"));
    assert_eq!(bed.ask(get("/"), says("plain")).body, "plain");
}

#[test]
fn what_the_key_does_not_know_is_not_kept() {
    let bed = Bed::new(json!({"cache_key": ["$uri"]}));
    for name in ["x-http-method-override", "x-original-url", "x-rewrite-url"] {
        let evil = get("/").with(name, "/evil");
        assert_eq!(bed.ask(evil, says("evil")).cache(), "BYPASS");
    }
    let with_body = Ask {
        body: "evil",
        ..get("/")
    };
    assert_eq!(bed.ask(with_body, says("evil")).cache(), "BYPASS");
    assert_eq!(bed.ask(get("/"), says("good")).cache(), "MISS");
}

#[test]
fn answers_to_credentials_are_for_who_has_them() {
    let bed = Bed::new(json!({}));
    let jack = || get("/").with("authorization", "Basic amFjazpwYXNz");
    let forged = || get("/").with("authorization", "Basic amFjazpmb3JnZWQ=");
    bed.ask(jack(), says("secret"));
    assert_eq!(bed.ask(forged(), says("no").status(401)).status, 401);
    assert_eq!(bed.ask(get("/"), says("no").status(401)).status, 401);
    let by_credential = Bed::new(json!({"cache_key": ["$uri", "$http_authorization"]}));
    by_credential.ask(jack(), says("secret"));
    assert_eq!(by_credential.ask(jack(), says("x")).cache(), "HIT");
    assert_eq!(by_credential.ask(forged(), says("no")).cache(), "MISS");
}

#[test]
fn changes_make_what_is_kept_wrong() {
    let bed = Bed::new(json!({"cache_control": true}));
    let node = || says("x").with("cache-control", "max-age=60");
    bed.ask(get("/"), node());
    bed.ask(get("/").method("DELETE"), says("").status(403));
    assert_eq!(bed.ask(get("/"), node()).cache(), "HIT");
    bed.ask(get("/").method("PUT"), says("").status(204));
    assert_eq!(bed.ask(get("/"), node()).cache(), "MISS");
}

#[test]
fn a_change_of_the_configuration_leaves_the_cache() {
    let living = Living::default();
    let compile = |ttl: u64| {
        let config =
            json!({"cache_strategy": "memory", "cache_zone": "memory_cache", "cache_ttl": ttl});
        let context = CompileContext {
            living: living.clone(),
            ..CompileContext::dry()
        };
        compile_in::<ProxyCache>(config, &context).unwrap()
    };
    let mut bed = Bed::new(json!({}));
    bed.plugin = compile(100);
    bed.ask(get("/"), says("one"));
    let next = compile(200);
    bed.plugin = next;
    living.sweep();
    assert_eq!(bed.ask(get("/"), says("two")).cache(), "HIT");
}
