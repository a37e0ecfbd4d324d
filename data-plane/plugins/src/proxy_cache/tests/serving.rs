//! Who is answered from the cache, and how.

use super::*;

#[test]
fn the_second_request_is_a_hit_until_the_time_is_over() {
    let bed = Bed::new(json!({"cache_ttl": 10}));
    let first = bed.ask(get("/a?x=1"), says("one").with("content-type", "text/css"));
    assert_eq!((first.cache(), &*first.body), ("MISS", b"one".as_slice()));
    assert!(first.header("age").is_none());
    bed.later(4);
    let second = bed.ask(get("/a?x=1"), says("two"));
    assert_eq!((second.cache(), &*second.body), ("HIT", b"one".as_slice()));
    assert_eq!(second.header("age"), Some("4"));
    assert_eq!(second.header("content-type"), Some("text/css"));
    assert!(second.asked.is_none());
    assert_eq!(bed.ask(get("/a?x=2"), says("two")).cache(), "MISS");
    bed.later(6);
    let third = bed.ask(get("/a?x=1"), says("three"));
    assert_eq!(
        (third.cache(), &*third.body),
        ("EXPIRED", b"three".as_slice())
    );
    assert_eq!(bed.ask(get("/a?x=1"), says("four")).body, "three");
}

#[test]
fn head_is_answered_with_what_get_left_but_leaves_nothing() {
    let bed = Bed::new(json!({}));
    let head = || get("/").method("HEAD");
    assert_eq!(bed.ask(head(), says("")).cache(), "MISS");
    assert_eq!(bed.ask(get("/"), says("hello")).cache(), "MISS");
    let hit = bed.ask(head(), says(""));
    assert_eq!(
        (hit.cache(), hit.header("content-length")),
        ("HIT", Some("5"))
    );
    let bed = Bed::new(json!({"cache_method": ["GET"]}));
    bed.ask(get("/"), says("hello"));
    assert_eq!(bed.ask(head(), says("")).cache(), "MISS");
    assert_eq!(
        bed.ask(get("/").method("OPTIONS"), says("")).cache(),
        "MISS"
    );
}

#[test]
fn post_is_apart_and_only_when_asked_for() {
    let bed =
        Bed::new(json!({"cache_method": ["GET", "POST"], "cache_key": ["$uri", "$request_body"]}));
    let post = |body| Ask {
        body,
        ..get("/").method("POST")
    };
    bed.ask(get("/"), says("by get"));
    assert_eq!(bed.ask(post("a"), says("by a")).cache(), "MISS");
    assert_eq!(bed.ask(post("a"), says("again")).body, "by a");
    assert_eq!(bed.ask(post("b"), says("by b")).cache(), "MISS");
    let bed = Bed::new(json!({}));
    assert_eq!(bed.ask(post("a"), says("x")).cache(), "MISS");
    assert_eq!(bed.ask(post("a"), says("y")).body, "y");
}

#[test]
fn purge_removes_what_is_kept() {
    let bed = Bed::new(json!({}));
    let purge = || get("/a").method("PURGE");
    assert_eq!(bed.ask(purge(), says("")).status, 404);
    bed.ask(get("/a"), says("one"));
    let done = bed.ask(purge(), says(""));
    assert_eq!((done.status, done.body.len()), (200, 0));
    assert!(done.asked.is_none());
    assert_eq!(bed.ask(get("/a"), says("two")).cache(), "MISS");
}

#[test]
fn conditions_pass_the_cache_over() {
    let bed = Bed::new(json!({"cache_bypass": ["$arg_fresh"], "no_cache": "$arg_private"}));
    bed.ask(get("/a"), says("one"));
    let config = json!({"cache_key": "$uri", "cache_bypass": "$arg_fresh", "no_cache": ["$arg_private", "$http_x"],
                        "cache_header": "X-Cache"});
    let bed_by_path = Bed::new(config);
    let status = |got: &Got| got.header("x-cache").unwrap().to_owned();
    assert_eq!(
        status(&bed_by_path.ask(get("/a?private=1"), says("p"))),
        "MISS"
    );
    assert_eq!(status(&bed_by_path.ask(get("/a"), says("one"))), "MISS");
    let bypassed = bed_by_path.ask(get("/a?fresh=1"), says("two"));
    assert_eq!(
        (status(&bypassed).as_str(), &*bypassed.body),
        ("BYPASS", b"two".as_slice())
    );
    assert_eq!(bed_by_path.ask(get("/a?fresh=0"), says("two")).body, "one");
    assert_eq!(bed_by_path.ask(get("/a"), says("two")).cache, None);
}

#[test]
fn clients_decide_by_cache_control_when_that_is_on() {
    let bed = Bed::new(json!({"cache_control": true}));
    let kept = || says("one").with("cache-control", "max-age=10, stale-while-revalidate=1");
    let asks = |control| get("/").with("cache-control", control);
    let absent = bed.ask(asks("only-if-cached"), kept());
    assert_eq!((absent.status, absent.asked.is_none()), (504, true));
    assert_eq!(absent.cache(), "MISS");
    bed.ask(get("/"), kept());
    bed.later(5);
    assert_eq!(bed.ask(asks("only-if-cached"), kept()).cache(), "HIT");
    for control in ["no-cache", "no-store"] {
        assert_eq!(
            bed.ask(asks(control), says("x")).cache(),
            "BYPASS",
            "{control}"
        );
    }
    assert_eq!(bed.ask(asks("max-age=5"), kept()).cache(), "HIT");
    assert_eq!(bed.ask(asks("min-fresh=5"), kept()).cache(), "HIT");
    let young = |control| bed.ask(asks(control), says("x").with("cache-control", "no-store"));
    assert_eq!(young("max-age=4").cache(), "STALE");
    assert_eq!(young("min-fresh=6").cache(), "STALE");
    bed.later(8);
    assert_eq!(bed.ask(asks("max-stale=3"), kept()).cache(), "STALE");
    assert_eq!(bed.ask(asks("max-stale"), kept()).cache(), "STALE");
    assert_eq!(
        bed.ask(asks("max-stale=2, only-if-cached"), kept()).status,
        504
    );
    // Without the setting nobody is listened to.
    let bed = Bed::new(json!({}));
    bed.ask(get("/"), says("one"));
    assert_eq!(bed.ask(asks("no-cache"), says("two")).cache(), "HIT");
}

#[test]
fn clients_that_have_it_are_told_so() {
    let bed = Bed::new(json!({}));
    let node = says("one")
        .with("etag", "\"1\"")
        .with("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT")
        .with("x-other", "1");
    bed.ask(get("/"), node);
    for (name, value, status) in [
        ("if-none-match", "\"0\", W/\"1\"", 304),
        ("if-none-match", "*", 304),
        ("if-none-match", "\"0\"", 200),
        ("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT", 304),
        ("if-modified-since", "Sun, 06 Nov 1994 08:49:36 GMT", 200),
        ("if-modified-since", "yesterday", 200),
    ] {
        let hit = bed.ask(get("/").with(name, value), says("two"));
        assert_eq!(
            (hit.status, hit.cache()),
            (status, "HIT"),
            "{name}: {value}"
        );
        let told = hit.header("x-other").is_some();
        assert_eq!(told, status == 200);
        assert_eq!(hit.header("etag"), Some("\"1\""));
    }
}

#[test]
fn headers_of_caches_are_hidden() {
    let bed = Bed::new(json!({"hide_cache_headers": true}));
    let node = || {
        says("one")
            .with("cache-control", "max-age=1")
            .with("expires", "0")
    };
    for expected in ["MISS", "HIT"] {
        let got = bed.ask(get("/"), node());
        assert_eq!(got.cache(), expected);
        assert!(got.header("cache-control").is_none() && got.header("expires").is_none());
    }
}

#[test]
fn an_answer_that_has_not_changed_lives_again() {
    let bed = Bed::new(json!({"cache_control": true}));
    let node = says("one")
        .with("etag", "\"1\"")
        .with("content-type", "text/css")
        .with("cache-control", "max-age=5");
    bed.ask(get("/"), node);
    bed.later(6);
    let not_modified = says("")
        .status(304)
        .with("cache-control", "max-age=50")
        .with("x-new", "1");
    let got = bed.ask(get("/"), not_modified);
    assert_eq!(
        (got.status, got.cache(), &*got.body),
        (200, "EXPIRED", b"one".as_slice())
    );
    assert_eq!(got.asked.as_ref().unwrap()["if-none-match"], "\"1\"");
    assert_eq!(
        (got.header("x-new"), got.header("content-type")),
        (Some("1"), Some("text/css"))
    );
    bed.later(40);
    assert_eq!(bed.ask(get("/"), says("two")).cache(), "HIT");
    // The client's own conditions go on as they are.
    bed.later(20);
    let asks = get("/").with("if-none-match", "\"9\"");
    let got = bed.ask(asks, says("").status(304));
    assert_eq!((got.status, got.cache()), (304, "EXPIRED"));
    assert_eq!(got.asked.unwrap()["if-none-match"], "\"9\"");
}

#[test]
fn a_stale_answer_is_better_than_an_error() {
    let bed = Bed::new(json!({"cache_control": true}));
    bed.ask(
        get("/"),
        says("one").with("cache-control", "max-age=5, stale-if-error=10"),
    );
    bed.later(8);
    let got = bed.ask(
        get("/"),
        says("broken").status(503).with("set-cookie", "a=b"),
    );
    assert_eq!(
        (got.status, got.cache(), &*got.body),
        (200, "STALE", b"one".as_slice())
    );
    assert_eq!(
        (got.header("age"), got.header("set-cookie")),
        (Some("8"), None)
    );
    // No node could be asked.
    let mut context = get("/").context(&bed.host);
    assert!(enter(&bed.plugin, &mut context).is_none());
    context.record.reason = "connect_refused";
    let got = bed.own(
        &mut context,
        Response::page(http::StatusCode::BAD_GATEWAY),
        None,
    );
    assert_eq!((got.status, &*got.body), (200, b"one".as_slice()));
    assert!(!context.record.from_gateway);
    // A refusal is no failure, and neither is what the client did wrong.
    let mut context = get("/").context(&bed.host);
    assert!(enter(&bed.plugin, &mut context).is_none());
    let got = bed.own(
        &mut context,
        Response::page(http::StatusCode::SERVICE_UNAVAILABLE),
        None,
    );
    assert_eq!(got.status, 503);
    assert_eq!(bed.ask(get("/"), says("x").status(404)).status, 404);
    bed.later(10);
    assert_eq!(bed.ask(get("/"), says("x").status(503)).status, 503);
}
