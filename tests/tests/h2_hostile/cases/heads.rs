//! Pseudo fields: method, scheme, authority, path (RFC 9113 section 8.3).

use super::super::case::{Case, Expect, case};
use super::super::frames::{HEADERS, WHOLE, frame};
use super::super::hpack;
use super::{Field, PSEUDO, request, with};
use Expect::{Forwarded, Malformed, Refused, Stream};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = presence();
    cases.extend(methods());
    cases.extend(schemes());
    cases.extend(authorities());
    cases.extend(paths());
    cases
}

fn presence() -> Vec<Case> {
    let more = |field: Field<'static>| [PSEUDO.to_vec(), vec![field]].concat();
    let late = [vec![PSEUDO[0], (b"x-first", b"1")], PSEUDO[1..].to_vec()].concat();
    vec![
        case("no method", request(&with(b":method", None)), Malformed),
        case("no scheme", request(&with(b":scheme", None)), Malformed),
        case("no path", request(&with(b":path", None)), Malformed),
        case("nothing at all", frame(HEADERS, WHOLE, 1, []), Malformed),
        case("fields only", request(&[(b"x-a", b"1")]), Malformed),
        case(
            "method twice",
            request(&more((b":method", b"GET"))),
            Malformed,
        ),
        case(
            "two methods",
            request(&more((b":method", b"POST"))),
            Malformed,
        ),
        case(
            "scheme twice",
            request(&more((b":scheme", b"http"))),
            Malformed,
        ),
        case(
            "path twice",
            request(&more((b":path", b"/hostile"))),
            Malformed,
        ),
        case(
            "authority twice",
            request(&more((b":authority", b"t.test"))),
            Malformed,
        ),
        case(
            "status in a request",
            request(&more((b":status", b"200"))),
            Malformed,
        ),
        case(
            "pseudo field that nobody knows",
            request(&more((b":what", b"1"))),
            Malformed,
        ),
        case(
            "pseudo field without name",
            request(&more((b":", b"1"))),
            Malformed,
        ),
        case(
            "pseudo field in capitals",
            request(&more((b":Path", b"/x"))),
            Malformed,
        ),
        case(
            "protocol of a GET",
            request(&more((b":protocol", b"websocket"))),
            Malformed,
        ),
        case("pseudo field behind a field", request(&late), Malformed),
    ]
}

fn methods() -> Vec<Case> {
    let method = |name, value, expect| case(name, request(&with(b":method", Some(value))), expect);
    vec![
        method("empty method", b"", Malformed),
        method("method with a blank", b"GET /hostile2", Malformed),
        method(
            "method with a line end",
            b"GET / HTTP/1.1\r\nx: 1\r\n\r\nGET",
            Malformed,
        ),
        method("method with NUL", b"GE\0T", Malformed),
        method("method that is no token", b"G(E)T", Malformed),
        method("method beyond ASCII", b"G\xc3\x8bT", Malformed),
        method(
            "method in small letters is another one",
            b"get",
            Forwarded("get /hostile", &[], &[]),
        ),
        method("TRACE", b"TRACE", Refused(&[405, 501])),
        method("CONNECT with a path", b"CONNECT", Malformed),
        method(
            "method that nobody knows",
            b"FROB",
            Forwarded("FROB /hostile", &[], &[]),
        ),
    ]
}

fn schemes() -> Vec<Case> {
    let scheme = |name, value| case(name, request(&with(b":scheme", Some(value))), Malformed);
    vec![
        scheme("empty scheme", b""),
        scheme("scheme of another protocol", b"ftp"),
        scheme("scheme with a blank", b"ht tp"),
        scheme("scheme with a colon", b"http:"),
        scheme("scheme with a target", b"http://evil/?"),
        scheme("two schemes", b"http,https"),
        scheme("scheme with a line end", b"http\r\nx: 1"),
    ]
}

fn authorities() -> Vec<Case> {
    let authority =
        |name, value, expect| case(name, request(&with(b":authority", Some(value))), expect);
    let hosts = |name, first: &[Field<'static>], hosts: &[Field<'static>], expect| {
        case(name, request(&[first, hosts].concat()), expect)
    };
    let without = with(b":authority", None);
    vec![
        authority("authority with a user", b"admin@t.test", Malformed),
        authority(
            "authority with a user and a secret",
            b"a:b@t.test",
            Malformed,
        ),
        authority("authority with a path", b"t.test/hostile2", Malformed),
        authority("authority with a blank", b"t.test evil", Malformed),
        authority("authority with a line end", b"t.test\r\nx: 1", Malformed),
        authority("authority with NUL", b"t.test\0", Malformed),
        authority("authority with a fragment", b"t.test#x", Malformed),
        authority("authority with a query", b"t.test?x", Malformed),
        authority(
            "authority with a port too large",
            b"t.test:65536",
            Malformed,
        ),
        authority(
            "authority with a port that is none",
            b"t.test:http",
            Malformed,
        ),
        authority("authority with two ports", b"t.test:1:2", Malformed),
        authority("authority of a bad address", b"[::1", Malformed),
        authority(
            "authority of a bad address in brackets",
            b"[g::1]",
            Malformed,
        ),
        authority("two authorities", b"t.test,evil", Malformed).or(Forwarded(
            "GET /hostile",
            &[],
            &[],
        )),
        authority("authority beyond ASCII", b"t\xc3\xa9st", Malformed),
        hosts("neither authority nor Host", &without, &[], Malformed),
        hosts(
            "Host only",
            &without,
            &[(b"host", b"t.test")],
            Forwarded("GET /hostile", &["host: t.test"], &[]),
        ),
        hosts(
            "two Hosts",
            &without,
            &[(b"host", b"t.test"), (b"host", b"t.test")],
            Malformed,
        ),
        hosts(
            "Host that is not the authority",
            &PSEUDO,
            &[(b"host", b"evil.test")],
            Malformed,
        ),
        hosts(
            "Host that is the authority",
            &PSEUDO,
            &[(b"host", b"t.test")],
            Forwarded("GET /hostile", &["host: t.test"], &[]),
        ),
        hosts(
            "Host that is the authority and one more",
            &PSEUDO,
            &[(b"host", b"t.test"), (b"host", b"evil")],
            Malformed,
        ),
        hosts(
            "Host with a user",
            &without,
            &[(b"host", b"a@t.test")],
            Malformed,
        ),
    ]
}

fn paths() -> Vec<Case> {
    let path = |name, value, expect| case(name, request(&with(b":path", Some(value))), expect);
    let asterisk = with(b":path", Some(b"*"));
    let mut options = asterisk.clone();
    options[0].1 = b"OPTIONS";
    let long: Vec<u8> = [b"/hostile".to_vec(), vec![b'a'; 9000]].concat();
    let long = hpack::block(
        &PSEUDO.map(|(name, value)| (name, if name == b":path" { &long[..] } else { value })),
    );
    vec![
        path("empty path", b"", Malformed),
        path("path without slash", b"hostile", Malformed),
        path("path of a whole URI", b"http://evil/hostile", Malformed),
        path("path of a query only", b"?hostile", Malformed),
        path("path of an authority", b"t.test:80", Malformed),
        path("path with a blank", b"/hostile HTTP/1.1", Malformed),
        path(
            "path with a line end",
            b"/hostile HTTP/1.1\r\nx: 1\r\n\r\nGET /hostile2",
            Malformed,
        ),
        path("path with a line feed", b"/hostile\n", Malformed),
        path("path with NUL", b"/hostile\0", Malformed),
        path("path with a tabulator", b"/hos\ttile", Malformed),
        path("path with DEL", b"/hostile\x7f", Malformed),
        path(
            "path with bytes that are no text",
            b"/hostile\xff",
            Malformed,
        ),
        path("path above the root", b"/../hostile", Malformed),
        path(
            "path above the root, encoded",
            b"/%2e%2e/hostile",
            Malformed,
        ),
        path("path with half a sequence", b"/hostile%2", Malformed),
        path(
            "path with a sequence of no digits",
            b"/hostile%zz",
            Malformed,
        ),
        path("path with encoded NUL", b"/hostile%00", Malformed),
        path(
            "path with an encoded line end",
            b"/hostile%0d%0a",
            Malformed,
        ),
        path(
            "path of dots is resolved",
            b"/x/../hostile/./y",
            Forwarded("GET /hostile/y", &[], &[]),
        ),
        path(
            "path of encoded dots is resolved",
            b"/x/%2e%2e/hostile",
            Forwarded("GET /hostile", &[], &[]),
        ),
        path(
            "path of many slashes is one",
            b"//hostile///x",
            Forwarded("GET /hostile/x", &[], &[]),
        ),
        path(
            "path with a query",
            b"/hostile?a=%2e%2e/",
            Forwarded("GET /hostile?a=%2e%2e/", &[], &[]),
        ),
        path("path with a fragment", b"/hostile#x", Malformed).or(Forwarded(
            "GET /hostile",
            &[],
            &[],
        )),
        case("asterisk of a GET", request(&asterisk), Malformed),
        case(
            "path longer than it may be",
            frame(HEADERS, WHOLE, 1, long),
            Refused(&[414]),
        ),
        case(
            "CONNECT with a protocol that nobody offered",
            request(
                &[
                    &[(&b":method"[..], &b"CONNECT"[..]), (b":protocol", b"what")][..],
                    &PSEUDO[1..],
                ]
                .concat(),
            ),
            Stream,
        )
        .or(Refused(&[400, 405, 501])),
    ]
}
